"""Base class of all models: frames of utterances become vectors, and these become logits of the four emotions."""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import nn

from ser.models.batching import Frames
from ser.models.frame_storage import Storage
from ser.models.oom import in_batches


class EmotionClassifier(nn.Module):
    """Model from the frames of utterances to logits, columns as `EMOTIONS`. An utterance's do not depend on its batch.

    Attributes:
        recordable: whether the operations of a training step depend on the shapes of the batch only, so that a step can
            be recorded (`ser.training.recorded_steps`).
        encoder_parameters: number of parameters of the pre-trained encoder.
        absent_parameters: number of those that are not in the model.
        max_samples: samples of an utterance that it uses, infinity for all.
        head: module that maps vectors to logits, unless `classify` is overridden.
    """

    recordable = False
    max_samples = float("inf")
    encoder_parameters = 0
    absent_parameters = 0

    def read_frames(self, path, utterances: list[dict], wanted: Collection[str], storage: Storage) -> list[Frames]:
        """Return the frames of the wanted utterances of a corpus, in the corpus's order.

        Args:
            path: the file that `families.of` names for this model.
            utterances: all rows of the corpus.
            wanted: names of utterances.
            storage: where frames are kept.
        """
        raise NotImplementedError

    def frames_of(self, samples: np.ndarray, device: torch.device) -> Frames:
        """Return the frames of one utterance, from int16 samples at 16 kHz."""
        raise NotImplementedError

    def embed(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return one vector for each utterance, (batch, width); arguments as for `forward`."""
        raise NotImplementedError

    def classify(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, 4) for vectors of shape (batch, width)."""
        return self.head(embeddings)

    @torch.inference_mode()
    def embed_all(self, frames: Sequence[Frames], batch_size: int, device: torch.device) -> torch.Tensor:
        """Return the vectors of all utterances, in their order: (utterances, width), on the CPU.

        They do not depend on the batches. Raises `UserError` if memory does not suffice for one utterance.
        """
        self.eval()
        return in_batches(self.embed, frames, batch_size, device)

    @torch.inference_mode()
    def classify_all(self, embeddings: torch.Tensor, device: torch.device) -> torch.Tensor:
        """Return the logits of all utterances, (utterances, 4), on the CPU."""
        self.eval()
        return self.classify(embeddings.to(device)).cpu()

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, 4).

        Args:
            frames: (batch, frames, ...), with any values beyond an utterance's own frames.
            lengths: own frames of each utterance, (batch,), int64, on the CPU; if `recordable`, maybe on the device.
        """
        return self.classify(self.embed(frames, lengths))
