"""Splitting of batches into micro-batches when the GPU runs out of memory."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

from ser.core.errors import UserError

Result = TypeVar("Result")
log = logging.getLogger(__name__)


def retry_on_oom(
    attempt: Callable[[Sequence[np.ndarray]], Result], batch: np.ndarray, splits: int = 1, divisible: bool = True
) -> tuple[Result, int]:
    """Process a batch, doubling its micro-batches when GPU memory runs out.

    Args:
        attempt: takes the micro-batches; a retry calls it again from its beginning.
        batch: indices of utterances.
        splits: the number of micro-batches of the first attempt.
        divisible: whether the batch may be split further.

    Returns the result, and the number of micro-batches used. Raises `UserError` if memory does not suffice for single
    utterances, or for a batch that is not divisible.
    """
    while True:
        try:
            return attempt(np.array_split(batch, min(splits, len(batch)))), splits
        except torch.OutOfMemoryError as error:
            problem = str(error).splitlines()[0]
        # outside the handler, which would keep the attempt's tensors alive
        torch.cuda.empty_cache()
        log.warning("out of GPU memory with a batch of %d utterances in %d micro-batches", len(batch), splits)
        if splits >= len(batch) or not divisible:
            raise UserError(
                f"the GPU does not have enough memory ({problem}). Let fewer jobs share it (`--resources gpu=1`: one"
                " job at a time), lower the model's `batch_size`, or use a smaller model."
            )
        splits *= 2
