"""Where a job with a model runs: its device, room for its frames, its encoder."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from ser.models.memory import Storage
from ser.training import gpus

log = logging.getLogger(__name__)


def choose_device(claimed: int) -> torch.device:
    """A CUDA device if the job claimed a GPU and there is one, the least used one, else the CPU, and then say so."""
    if claimed and torch.cuda.is_available():
        torch.backends.cudnn.allow_tf32 = False  # float32 means float32, as it does on a CPU
        every = range(torch.cuda.device_count())
        device = torch.device("cuda", gpus.claim([str(torch.cuda.get_device_properties(i).uuid) for i in every]))
        torch.cuda.set_device(device)
        return device
    if claimed:
        log.warning("no GPU is visible: running on the CPU (`device: cpu` in the config says so on purpose)")
    return torch.device("cpu")


def encoder_folder(files: Sequence[str]) -> Path | None:
    """The folder of an encoder's files; None for a model that starts from none."""
    return Path(files[0]).parent if files else None


def frame_storage(device: torch.device, resources) -> Storage:
    """Where a job with these resources, of Snakemake, keeps its frames."""
    return Storage(device, resources.mem_mb * 1e6, resources.tmpdir)
