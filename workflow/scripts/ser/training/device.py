"""Device of a job with a model, and sharing of GPUs between jobs."""

import fcntl
import logging
import os
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import torch

from ser.core.errors import UserError
from ser.models.frame_storage import Storage

log = logging.getLogger(__name__)
_claims = []  # open lock files: the lock ends with the process, even if it is killed


def choose_device(wanted: str) -> torch.device:
    """Return the least used visible GPU if a GPU is wanted, else the CPU.

    What a scheduler was asked for does not count: a GPU may be requested by another resource than `gpu`.

    Args:
        wanted: `auto` or `cpu`, as configured, or `cpu-only` for a model that cannot use a GPU.
    """
    if wanted == "auto" and torch.cuda.is_available():
        indices = range(torch.cuda.device_count())
        device = torch.device("cuda", claim_gpu([str(torch.cuda.get_device_properties(i).uuid) for i in indices]))
        torch.cuda.set_device(device)
        return device
    if wanted == "auto":
        log.warning(
            "No GPU is visible: running on the CPU. Without a GPU, set `device: cpu` to run as many jobs at once as"
            " cores, if memory suffices. On Slurm, check that the job got a GPU (`set-resources` in the profile)."
        )
    elif wanted == "cpu" and torch.cuda.is_available():
        log.warning("A GPU is visible but not used, because of `device: cpu` in the configuration.")
    return torch.device("cpu")


def frame_storage(device: torch.device, resources) -> Storage:
    """Return the storage of frames for a job with these Snakemake resources."""
    return Storage(device, resources.mem_mb * 1e6, resources.tmpdir)


def claim_gpu(gpus: Sequence[str], folder: str | os.PathLike | None = None) -> int:
    """Claim the GPU with the fewest jobs of this user, until this process ends.

    Args:
        gpus: names of the visible GPUs, the same in every process.
        folder: for the empty lock files; by default the user's own folder in the temporary directory.

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
        raise UserError(f"{folder} belongs to another user or is a link: remove it, or set TMPDIR to your own folder")
    return folder
