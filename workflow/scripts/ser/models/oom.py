"""Batches cut into micro-batches when a GPU's memory runs out."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

from ser.core.errors import UserError

Result = TypeVar("Result")
log = logging.getLogger(__name__)


def retry_on_oom(
    attempt: Callable[[Sequence[np.ndarray]], Result], batch: np.ndarray, parts: int = 1, divisible: bool = True
) -> tuple[Result, int]:
    """Try a batch in so many parts, and in twice as many whenever the GPU's memory runs out.

    Args:
        attempt: takes the parts; it is called again from its beginning.
        batch: indices of utterances.
        parts: to begin with.
        divisible: whether more parts are allowed.

    Returns the result, and the parts that it took. Raises `UserError` if memory does not suffice for single utterances,
    or for a batch that is not divisible.
    """
    while True:
        try:
            return attempt(np.array_split(batch, min(parts, len(batch)))), parts
        except torch.OutOfMemoryError as error:
            problem = str(error).splitlines()[0]
        # outside the handler, which would keep alive what the attempt has allocated
        torch.cuda.empty_cache()
        log.warning("out of GPU memory with a batch of %d utterances in %d parts", len(batch), parts)
        if parts >= len(batch) or not divisible:
            raise UserError(
                f"the GPU's memory does not suffice ({problem}). Let fewer jobs share it (`--resources gpu=1`: one"
                " job at a time), lower the model's `batch_size`, or take a smaller model."
            )
        parts *= 2
