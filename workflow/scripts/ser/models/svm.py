"""Linear support vector machine on functionals, one class against the rest (`training/svm.py` trains it)."""

from collections.abc import Collection

import numpy as np
import torch
from torch import nn

from ser.core.constants import EMOTIONS
from ser.corpora.audio_array import as_float
from ser.models import functionals
from ser.models.batching import Frames
from ser.models.emotion_classifier import EmotionClassifier
from ser.models.frame_storage import Storage, read_vectors


def build(settings: dict, encoder=None) -> "LinearSvm":
    """Return an untrained model for the configured functionals."""
    return LinearSvm(settings["features"])


class LinearSvm(EmotionClassifier):
    """Linear SVM on standardised functionals. Its logits are the signed margins of the four classes."""

    def __init__(self, features: str):
        super().__init__()
        width = functionals.WIDTHS[features]
        self.features = features
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.margins = nn.Linear(width, len(EMOTIONS))

    def read_frames(self, path, utterances: list[dict], wanted: Collection[str], storage: Storage) -> list[Frames]:
        """Read the functionals of the wanted utterances, each as a single frame.

        Args:
            path: the corpus's output of rule `functionals`.
            utterances: all rows of the corpus.
        """
        vectors = torch.from_numpy(read_vectors(path, utterances, wanted))
        return [Frames.all_real(vector) for vector in vectors.to(storage.device).split(1)]

    def frames_of(self, samples: np.ndarray, device: torch.device) -> Frames:
        """Compute the functionals of one utterance from int16 samples."""
        vector = functionals.extractor(self.features)(as_float(samples))
        return Frames.all_real(torch.tensor(vector, device=device).unsqueeze(0))

    def embed(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the functionals, (batch, 1, width) to (batch, width)."""
        return frames.squeeze(1)

    def classify(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, 4) for functionals of shape (batch, width)."""
        return self.margins((embeddings - self.mean) / self.scale)
