"""Classification head on a frozen encoder's output of rule `pooled`."""

from collections.abc import Collection
from pathlib import Path

import torch

from ser.core.files import read_json
from ser.models.batching import Frames
from ser.models.emotion_classifier import EmotionClassifier
from ser.models.frame_storage import Storage, read_vectors
from ser.models.heads import LayerChoice, classifier


def build(settings: dict, encoder) -> "FrozenEncoderHead":
    """Return the head for an encoder, of which only the size is read."""
    record = read_json(Path(encoder, "revision.json"))
    choice = LayerChoice(settings["pooling"]["layers"], record["layers"])
    return FrozenEncoderHead(record["width"], record["parameters"], choice)


class FrozenEncoderHead(EmotionClassifier):
    """Classification head on an encoder's pooled vectors.

    Args:
        width: of the vectors.
        parameters: number of the encoder's parameters.
        choice: among the layers.
    """

    recordable = True

    def __init__(self, width: int, parameters: int, choice: LayerChoice):
        super().__init__()
        self.encoder_parameters = self.absent_parameters = parameters
        self.choice = choice
        self.head = classifier(width)

    def read_frames(self, path, utterances: list[dict], wanted: Collection[str], storage: Storage) -> list[Frames]:
        """Read the vectors of the wanted utterances of a corpus, each as a single frame.

        Args:
            path: the corpus's output of rule `pooled`, float32, (utterances, layers + 1, width).
            utterances: all rows of the corpus.
        """
        vectors = torch.from_numpy(read_vectors(path, utterances, wanted))
        if not self.choice.is_trained:
            vectors = self.choice(vectors).contiguous()  # does not keep the other layers in memory
        return [Frames.all_real(vector) for vector in vectors.to(storage.device).split(1)]

    def embed(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the vectors that the head classifies, (batch, width).

        Args:
            frames: (batch, 1, width), or (batch, 1, layers + 1, width) if the layers' weights are trained.
            lengths: ones.
        """
        vectors = frames.squeeze(1)
        return self.choice(vectors) if self.choice.is_trained else vectors
