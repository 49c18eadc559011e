"""Training and development examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from ser.core.constants import EMOTIONS
from ser.core.files import read_rows
from ser.core.seeding import named_generator
from ser.corpora.leakage import read_split
from ser.models.batching import Frames
from ser.models.frame_storage import Storage


@dataclass(frozen=True)
class Examples:
    """Frames, emotions and numbers of samples of utterances."""

    frames: Sequence[Frames]
    emotions: Sequence[str]
    samples: Sequence[int]  # of the audio: unlike the length of `frames`, the same for every model

    @property
    def labels(self) -> np.ndarray:
        """Class indices into `EMOTIONS`, int64, shape (utterances,)."""
        return np.array([EMOTIONS.index(emotion) for emotion in self.emotions])


def source_names(inputs, balanced: bool, seed: int) -> tuple[list[list[str]], list[list[str]]]:
    """Return the training and the development utterances of each corpus of a source.

    Args:
        inputs: of a rule, with `source_splits`, `source_utterances` and `source_overlaps`, one per corpus.
        balanced: whether to draw equally many training utterances of every corpus.

    Raises `UserError` if a split leaks.
    """
    train, dev = [], []
    for paths in zip(inputs.source_splits, inputs.source_utterances, inputs.source_overlaps, strict=True):
        roles = read_split(*paths)
        train.append([name for name, role in roles.items() if role == "train"])
        dev.append([name for name, role in roles.items() if role == "dev"])
    if balanced:
        train = balance(train, seed)
    return train, dev


def read_source(model: nn.Module, inputs, names: Sequence[Sequence[str]], storage: Storage) -> Examples:
    """Read the named utterances of each corpus of a source, from a rule's `source_frames` and `source_utterances`."""
    corpora = zip(inputs.source_frames, inputs.source_utterances, names, strict=True)
    return concatenate(*(read_examples(model, *corpus, storage) for corpus in corpora))


def read_examples(model: nn.Module, frames_path, utterances_path, wanted: Sequence[str], storage: Storage) -> Examples:
    """Read the wanted utterances of one corpus, in the corpus's order."""
    rows, chosen = read_rows(utterances_path), set(wanted)
    frames = model.read_frames(frames_path, rows, chosen, storage)
    kept = [row for row in rows if row["utterance"] in chosen]
    return Examples(frames, [row["emotion"] for row in kept], [int(row["samples"]) for row in kept])


def balance(names: Sequence[Sequence[str]], seed: int) -> list[list[str]]:
    """Draw equally many utterances of every corpus: as many as the smallest has.

    Args:
        names: training utterances of each corpus.
    """
    smallest = min(map(len, names))
    drawn = (named_generator("balanced sources", number, seed).permutation(own) for number, own in enumerate(names))
    return [sorted(own[:smallest].tolist()) for own in drawn]


def concatenate(*parts: Examples) -> Examples:
    """Concatenate sets of examples."""
    frames, emotions, samples = (
        [item for part in parts for item in getattr(part, name)] for name in ("frames", "emotions", "samples")
    )
    return Examples(frames, emotions, samples)
