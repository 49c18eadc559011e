"""Training and development examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from ser.core.constants import EMOTIONS
from ser.core.files import read_rows
from ser.core.seeding import named_generator
from ser.models.batching import Frames
from ser.models.feature_store import Storage


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


def read_examples(model: nn.Module, frames_path, utterances_path, wanted: Sequence[str], storage: Storage) -> Examples:
    """Read the wanted utterances of one corpus, in the corpus's order."""
    rows, chosen = read_rows(utterances_path), set(wanted)
    frames = model.read_frames(frames_path, rows, chosen, storage)
    kept = [row for row in rows if row["utterance"] in chosen]
    return Examples(frames, [row["emotion"] for row in kept], [int(row["samples"]) for row in kept])


def total_seconds(utterances_path, wanted: Sequence[str]) -> float:
    """Return the total duration of the wanted utterances, in seconds."""
    chosen = set(wanted)
    return sum(float(row["seconds"]) for row in read_rows(utterances_path) if row["utterance"] in chosen)


def balanced(names: Sequence[Sequence[str]], seed: int) -> list[list[str]]:
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
