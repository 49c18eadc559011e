"""Frames of utterances, and batches of similar length, different in every epoch."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

BATCHES_SORTED_TOGETHER = 50  # the limits of transformers' LengthGroupedSampler
LEAST_STRETCHES = 4


class Frames(NamedTuple):
    """What the untrained part of a model makes of one utterance."""

    values: torch.Tensor  # float32, (frames, width)
    real: int  # how many of them, from the first, are the utterance's own; what follows is context

    @classmethod
    def all_real(cls, values: torch.Tensor) -> "Frames":
        """Frames without context."""
        return cls(values, len(values))


def random_batches(lengths: Sequence[int], batch_size: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Indices of every utterance once, in random batches that carry little padding.

    A random order is cut into stretches of at most 50 batches, and into at least 4, so that a small corpus is not
    always batched alike. Within a stretch utterances are sorted by length, and the batches' order is shuffled last.
    Only the last batch may be smaller.
    """
    lengths = np.asarray(lengths)
    order = generator.permutation(len(lengths))
    together = min(BATCHES_SORTED_TOGETHER, len(lengths) // (LEAST_STRETCHES * batch_size))
    stretch = batch_size * max(1, together)
    batches = []
    for start in range(0, len(order), stretch):
        part = order[start : start + stretch]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    return [batches[i] for i in generator.permutation(len(batches))]


def sorted_batches(lengths: Sequence[int], batch_size: int) -> Iterator[np.ndarray]:
    """Indices of every utterance once, longest first, for work whose order does not matter."""
    order = np.argsort(-np.asarray(lengths), kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def pad(utterances: Sequence[Frames], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack frames with zeros behind: (batch, longest, width) on the device, and real lengths on the CPU."""
    padded = pad_sequence([utterance.values for utterance in utterances], batch_first=True)
    return on_device(padded, device), torch.tensor([utterance.real for utterance in utterances])


def on_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor moved without waiting: a GPU fetches it from pinned memory while the CPU goes on."""
    if device.type == "cuda" and not tensor.is_cuda:
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def real_frames(lengths: torch.Tensor, frames: int, device: torch.device) -> torch.Tensor:
    """True on real frames, False on padding: (batch, frames) on the device."""
    return torch.arange(frames, device=device) < on_device(lengths, device).unsqueeze(1)


def mean_of_real_frames(hidden: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Average pooling over each utterance's own frames: (batch, frames, width) to (batch, width)."""
    mask = real_frames(lengths, hidden.shape[1], hidden.device).unsqueeze(-1)
    return hidden.masked_fill(~mask, 0).sum(dim=1) / mask.sum(dim=1)
