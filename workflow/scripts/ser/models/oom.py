"""Splitting of batches into micro-batches when a GPU's memory runs out."""

import logging
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

from ser.core.errors import LESS_MEMORY, UserError
from ser.models.batching import Frames, pad, sorted_batches

Result = TypeVar("Result")
log = logging.getLogger(__name__)


def retry_on_oom(
    attempt: Callable[[Sequence[np.ndarray]], Result],
    frames: Sequence[Frames],
    batch: np.ndarray,
    splits: int = 1,
    divisible: bool = True,
) -> tuple[Result, int]:
    """Process a batch, doubling its micro-batches when a GPU's memory runs out.

    Args:
        attempt: takes the micro-batches; a retry calls it again from its beginning.
        frames: of all utterances.
        batch: indices of utterances.
        splits: the number of micro-batches of the first attempt.
        divisible: whether the batch may be split further.

    Returns the result, and the number of micro-batches used. Raises `UserError`, naming the longest utterance, if
    memory does not suffice for single utterances, or for a batch that is not divisible.
    """
    while True:
        try:
            return attempt(np.array_split(batch, min(splits, len(batch)))), splits
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            problem = str(error).splitlines()[0]
        # outside the handler, which would keep the attempt's tensors alive
        torch.cuda.empty_cache()
        log.warning(
            "out of memory with a batch of %d utterances in %d micro-batches; it is split further if possible",
            len(batch),
            splits,
        )
        if splits >= len(batch) or not divisible:
            longest = max((frames[i] for i in batch), key=lambda utterance: len(utterance.values))
            if divisible:
                raise UserError(
                    f"memory does not suffice for {longest.title} ({problem}). {LESS_MEMORY}, or use a smaller model."
                )
            raise UserError(
                f"memory does not suffice for a batch of {len(batch)} utterances, the longest of which is"
                f" {longest.title} ({problem}). {LESS_MEMORY}, or lower the model's `training.batch_size`, which"
                " changes its results."
            )
        splits *= 2


def in_batches(
    compute: Callable[..., torch.Tensor], frames: Sequence[Frames], batch_size: int, device: torch.device
) -> torch.Tensor:
    """Apply a function of padded frames and lengths to all utterances.

    Returns its output in the order of the utterances, on the CPU. Raises `UserError` if memory does not suffice for one
    utterance.
    """

    def attempt(micro_batches):
        return torch.cat([compute(*pad([frames[i] for i in indices], device)) for indices in micro_batches])

    result, splits = None, 1
    for batch in sorted_batches([len(utterance.values) for utterance in frames], batch_size):
        output, splits = retry_on_oom(attempt, frames, batch, splits)
        if result is None:
            result = output.new_empty(len(frames), *output.shape[1:])
        result[batch] = output
    return result.cpu()


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether an allocation on a GPU failed.

    PyTorch has no error of its own for allocations by CUDA's libraries.
    """
    by_library = re.search(r"CUDA error: out of memory|(CUBLAS|CUDNN|CUFFT)(_STATUS)?_ALLOC_FAILED", str(error))
    return isinstance(error, torch.OutOfMemoryError) or by_library is not None
