"""Frames of utterances, and batches of utterances of similar length."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from ser.core.constants import SAMPLE_RATE

MAX_BATCHES_PER_CHUNK = 50  # both limits as in transformers' LengthGroupedSampler
MIN_CHUNKS = 4


class Frames(NamedTuple):
    """Input of a model's trained layers for one utterance."""

    values: torch.Tensor  # float32, (frames, width)
    real: int  # the first `real` frames are the utterance's own; the others are context
    title: str = "an utterance"  # for messages

    @classmethod
    def all_real(cls, values: torch.Tensor, title: str = "an utterance") -> "Frames":
        """Return frames without context."""
        return cls(values, len(values), title)


def title_of(row: dict) -> str:
    """Return name and length of an utterance, a row of `utterances.csv`, for messages."""
    return f"utterance {row['utterance']} ({int(row['samples']) / SAMPLE_RATE:.1f} s)"


def random_batches(lengths: Sequence[int], batch_size: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Return random batches of similar length, as indices of utterances.

    The utterances are shuffled and split into chunks of at most 50 batches, and a small corpus into at least 4 chunks
    (or one per batch), so that its batches differ between epochs. Each chunk is sorted by length and cut into batches.
    The order of the batches is shuffled last. Only one batch may be smaller.
    """
    lengths = np.asarray(lengths)
    order = generator.permutation(len(lengths))
    batches_per_chunk = min(MAX_BATCHES_PER_CHUNK, len(lengths) // (MIN_CHUNKS * batch_size))
    chunk_size = batch_size * max(1, batches_per_chunk)
    batches = []
    for start in range(0, len(order), chunk_size):
        chunk = order[start : start + chunk_size]
        chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
        batches += [chunk[i : i + batch_size] for i in range(0, len(chunk), batch_size)]
    return [batches[i] for i in generator.permutation(len(batches))]


def sorted_batches(lengths: Sequence[int], batch_size: int) -> Iterator[np.ndarray]:
    """Yield batches of similar length, longest utterances first."""
    order = np.argsort(-np.asarray(lengths), kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def pad(utterances: Sequence[Frames], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (batch, longest, width) on the device, and real lengths on the CPU."""
    padded = pad_sequence([utterance.values for utterance in utterances], batch_first=True)
    return on_device(padded, device), torch.tensor([utterance.real for utterance in utterances])


def rounded_length(frames: int, longest: int | None = None) -> int:
    """Return the next of few lengths, eight per doubling, all multiples of 8; or the longest, if that is less."""
    step = max(8, 2 ** (frames.bit_length() - 4))
    rounded = -(-frames // step) * step
    return rounded if longest is None else min(rounded, longest)


def on_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a tensor to a device, to a GPU asynchronously from pinned memory."""
    if device.type == "cuda" and not tensor.is_cuda:
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def real_frames(lengths: torch.Tensor, frames: int, device: torch.device) -> torch.Tensor:
    """Return a mask on the device, (batch, frames), True on real frames."""
    return torch.arange(frames, device=device) < on_device(lengths, device).unsqueeze(1)


def mean_of_real_frames(hidden: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Average each utterance's own frames: (batch, frames, width) to (batch, width)."""
    mask = real_frames(lengths, hidden.shape[1], hidden.device).unsqueeze(-1)
    return hidden.masked_fill(~mask, 0).sum(dim=1) / mask.sum(dim=1)
