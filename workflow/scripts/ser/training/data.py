"""Training and development examples: frames of utterances, and their emotions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from ser.core.constants import EMOTIONS
from ser.core.files import read_rows
from ser.models.batching import Frames
from ser.models.feature_store import Storage


@dataclass(frozen=True)
class Examples:
    """Utterances as a model sees them: frames, and their emotions."""

    frames: Sequence[Frames]
    emotions: Sequence[str]

    @property
    def labels(self) -> np.ndarray:
        """Indices into `EMOTIONS`, int64, shape (utterances,)."""
        return np.array([EMOTIONS.index(emotion) for emotion in self.emotions])


def read_examples(model: nn.Module, frames_path, utterances_path, wanted: Sequence[str], storage: Storage) -> Examples:
    """Frames and emotions of the wanted utterances of one corpus, in the corpus's order."""
    rows, chosen = read_rows(utterances_path), set(wanted)
    frames = model.read_frames(frames_path, rows, chosen, storage)
    return Examples(frames, [row["emotion"] for row in rows if row["utterance"] in chosen])


def seconds_of(utterances_path, wanted: Sequence[str]) -> float:
    """Seconds of audio of the wanted utterances."""
    chosen = set(wanted)
    return sum(float(row["seconds"]) for row in read_rows(utterances_path) if row["utterance"] in chosen)


def together(first: Examples, second: Examples) -> Examples:
    """Two sets of examples as one."""
    return Examples([*first.frames, *second.frames], [*first.emotions, *second.emotions])
