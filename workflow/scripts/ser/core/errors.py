"""Exception for errors that the user can fix, and what several messages advise."""

REPORT = "Delete the file and run Snakemake again. If it happens again, report a bug."
CONVERT = "Convert it to WAV or FLAC."
LESS_MEMORY = (
    "Let fewer jobs run at a time on a GPU (`--resources gpu=1`), use one with more memory (on Slurm, `gpu_model` in"
    " the profile), leave out or cut utterances of this length"
)


class UserError(Exception):
    """Error that the user can fix: the message names the file or key, and the remedy."""


def listing(names, most: int = 5) -> str:
    """Return the first few names, comma-separated, and the number of names left out."""
    names = [str(name) for name in names]
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
