"""Exception for errors that the user can fix."""


class UserError(Exception):
    """Error that the user can fix: the message names the file or key, and the remedy."""


def listing(names, most: int = 5) -> str:
    """Return the first few names, comma-separated, and the number of names left out."""
    names = [str(name) for name in names]
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
