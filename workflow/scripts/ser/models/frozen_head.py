"""Classification head on a frozen encoder's output of rule `pooled`."""

from collections.abc import Collection
from pathlib import Path

import torch
from torch import nn

from ser.core.files import read_json
from ser.models.batching import Frames
from ser.models.classification_head import classifier
from ser.models.feature_store import Storage
from ser.models.vectors import read_vectors


def build(settings: dict, encoder) -> "FrozenEncoderHead":
    """Return the head for an encoder, of which only the size is read."""
    return FrozenEncoderHead(**{key: read_json(Path(encoder, "revision.json"))[key] for key in ("width", "parameters")})


class FrozenEncoderHead(nn.Module):
    """Classification head on an encoder's pooled vectors.

    Args:
        width: of the vectors.
        parameters: number of the encoder's parameters.
    """

    def __init__(self, width: int, parameters: int):
        super().__init__()
        self.encoder_parameters = self.absent_parameters = parameters
        self.head = classifier(width)

    def read_frames(self, path, utterances: list[dict], wanted: Collection[str], storage: Storage) -> list[Frames]:
        """Read the vectors of the wanted utterances of a corpus, each as a single frame.

        Args:
            path: the corpus's output of rule `pooled`, float32, (utterances, width).
            utterances: all rows of the corpus.
        """
        return read_vectors(path, utterances, wanted, storage)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, 4) for vectors of shape (batch, 1, width)."""
        return self.head(frames.squeeze(1))
