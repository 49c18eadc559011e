"""Batches of utterances of similar length, different in every epoch."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

BATCHES_SORTED_TOGETHER = 16


def random_batches(lengths: Sequence[int], batch_size: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Indices of every utterance once, in random batches that carry little padding.

    A random order is cut into stretches of 16 batches; within a stretch utterances are sorted by
    length, and the batches' order is shuffled last. Only the last batch may be smaller.
    """
    lengths = np.asarray(lengths)
    order = generator.permutation(len(lengths))
    stretch = batch_size * BATCHES_SORTED_TOGETHER
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


def pad(frames: Sequence[np.ndarray], device) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack utterances' frames with zeros behind: (batch, longest, width) on the device, and lengths on the CPU."""
    lengths = torch.tensor([len(utterance) for utterance in frames])
    padded = np.zeros((len(frames), int(lengths.max()), frames[0].shape[1]), np.float32)
    for row, utterance in zip(padded, frames, strict=True):
        row[: len(utterance)] = utterance
    return torch.from_numpy(padded).to(device, non_blocking=True), lengths
