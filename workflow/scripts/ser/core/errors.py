"""The one exception whose message is written for the person who runs the workflow."""


class UserError(Exception):
    """Something the user can mend: the message names the file or key, and the remedy."""


def listing(names, most: int = 5) -> str:
    """Join the first few names, and say how many were left out."""
    names = [str(name) for name in names]
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
