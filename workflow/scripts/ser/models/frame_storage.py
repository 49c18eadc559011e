"""Storage of frames, on the GPU, in memory, or in a file; reading of vectors that other jobs computed."""

import logging
import os
import tempfile
from collections.abc import Collection

import numpy as np
import torch

log = logging.getLogger(__name__)

FLOAT32 = 4  # bytes
SHARE = 0.5  # of the job's memory, or of the GPU's free memory, for frames; the model and its training use the rest


class Storage:
    """Storage of frames: on the GPU if they fit, else in memory, else in a file.

    Args:
        device: where models run.
        memory: bytes of main memory that the job may use in total.
        folder: for temporary files. They have no names, so none remains when the job ends or fails.
    """

    def __init__(self, device: torch.device, memory: float, folder: str | os.PathLike):
        self.device = device
        self._left = memory * SHARE
        self._folder = folder

    def allocate(self, frames: int, width: int) -> torch.Tensor:
        """Return an uninitialised float32 tensor of shape (frames, width).

        Raises `OSError` if it needs a file and the disk is full.
        """
        size = frames * width * FLOAT32
        if self.device.type == "cuda" and size <= SHARE * torch.cuda.mem_get_info(self.device)[0]:
            return torch.empty(frames, width, device=self.device)
        if size <= self._left:
            self._left -= size
            return torch.empty(frames, width)
        log.info(
            "%.1f GB of frames do not fit into half of the model's `resources.mem_mb`: they are stored in a file in %s",
            size / 1e9,
            self._folder,
        )
        with tempfile.TemporaryFile(dir=self._folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)  # else a full disk is noticed only when a page is written
            return torch.from_numpy(np.memmap(file, np.float32, "r+", shape=(frames, width)))


def read_vectors(path, utterances: list[dict], wanted: Collection[str]) -> np.ndarray:
    """Read the vectors of the wanted utterances of a corpus, in the corpus's order.

    Args:
        path: an array with a row for each of `utterances`.
        utterances: all rows of the corpus.
    """
    chosen = set(wanted)
    return np.load(path, mmap_mode="r")[[row["utterance"] in chosen for row in utterances]]
