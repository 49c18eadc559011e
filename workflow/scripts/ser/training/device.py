"""Device of a job with a model, the GPU that it claims, and room for its frames."""

import fcntl
import logging
import os
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import torch

from ser.core.errors import UserError
from ser.models.feature_store import Storage

log = logging.getLogger(__name__)
_claims = []  # open lock files: a job's claim ends with its process, however that ends


def choose_device(claimed: int) -> torch.device:
    """A CUDA device if the job claimed a GPU and there is one, the least used one, else the CPU, and then say so."""
    if claimed and torch.cuda.is_available():
        torch.backends.cudnn.allow_tf32 = False  # float32 means float32, as it does on a CPU
        every = range(torch.cuda.device_count())
        device = torch.device("cuda", claim_gpu([str(torch.cuda.get_device_properties(i).uuid) for i in every]))
        torch.cuda.set_device(device)
        return device
    if claimed:
        log.warning("No GPU is visible: running on the CPU. Set `device: cpu` to run as many jobs at a time as cores.")
    return torch.device("cpu")


def parent_folder(files: Sequence[str]) -> Path | None:
    """The folder of an encoder's files; None for a model that starts from none."""
    return Path(files[0]).parent if files else None


def frame_storage(device: torch.device, resources) -> Storage:
    """Where a job with these resources, of Snakemake, keeps its frames."""
    return Storage(device, resources.mem_mb * 1e6, resources.tmpdir)


def claim_gpu(gpus: Sequence[str], folder: str | os.PathLike | None = None) -> int:
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
