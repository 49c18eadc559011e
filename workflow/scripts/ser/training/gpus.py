"""GPUs: how many this machine shows, and which of them a job takes."""

import fcntl
import glob
import os
import tempfile
from collections.abc import Sequence
from itertools import count, takewhile
from pathlib import Path

from ser.core.errors import UserError

_claims = []  # open lock files: a job's claim ends with its process, however that ends


def visible() -> int:
    """GPUs that CUDA programs of this process would see, found without CUDA."""
    devices = glob.glob("/dev/nvidia[0-9]*")
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is None or not devices:
        return len(devices)
    # CUDA stops at the first entry that is none
    return len(list(takewhile(lambda entry: entry not in ("", "-1"), map(str.strip, chosen.split(",")))))


def claim(gpus: Sequence[str], folder: str | os.PathLike | None = None) -> int:
    """Take the GPU that fewest jobs of this user on this machine have taken, until this process ends.

    Args:
        gpus: names of the GPUs that this process sees, the same in every process.
        folder: for lock files, which are empty; by default one of the user's own among the temporary files.

    Returns an index into `gpus`.
    """
    folder = _own_folder() if folder is None else Path(folder)
    for sharing in count(1):
        for index, gpu in enumerate(gpus):
            lock = open(folder / f"{gpu}-{sharing}.lock", "a")  # noqa: SIM115 (it stays open)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
            else:
                _claims.append(lock)
                return index


def _own_folder() -> Path:
    folder = Path(tempfile.gettempdir(), f"ser-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise UserError(f"{folder} belongs to someone else: remove it, or set TMPDIR to a folder of your own")
    return folder
