"""Pre-trained encoder with average pooling and a classification head."""

from collections.abc import Collection

import numpy as np
import torch

from ser.models import families
from ser.models.base_encoder import BaseEncoder
from ser.models.batching import Frames, mean_of_real_frames, pad
from ser.models.emotion_classifier import EmotionClassifier
from ser.models.fine_tuning_methods import apply_method
from ser.models.frame_storage import Storage
from ser.models.heads import LayerChoice, classifier


def build(settings: dict, encoder) -> "EncoderClassifier":
    """Return the model of a configuration's entry, with the encoder from its folder."""
    return EncoderClassifier(families.encoder_family(settings["family"]).build(settings, encoder), settings)


class EncoderClassifier(EmotionClassifier):
    """Encoder, average over an utterance's own frames, classification head.

    `read_frames` computes what training does not change, once per run, and `forward` starts from it: from the encoder's
    features if everything is trained, else from the output of its feature extractor.

    Args:
        encoder: is fine-tuned in place.
        settings: the model's entry, with `weights`, `tuning` and `pooling`.

    Raises `UserError` if the encoder does not have the configured layer.
    """

    recordable = True

    def __init__(self, encoder: BaseEncoder, settings: dict):
        super().__init__()
        self.encoder = encoder
        self.encoder_parameters, self.max_samples = encoder.parameter_count, encoder.max_samples
        self.trains_all = settings["weights"] == "random"
        layers = settings["pooling"]["layers"]
        self.choice = LayerChoice(layers, len(encoder.layers))
        if isinstance(layers, int):
            encoder.keep_layers(layers)  # so that the chosen one is the last
        if not self.trains_all:
            apply_method(encoder, settings["tuning"])
        self.head = classifier(encoder.hidden_size)

    def embed(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the average over each utterance's own frames, (batch, frames, width) to (batch, width)."""
        if self.trains_all:
            frames, lengths = self._convolved(frames, lengths)
        if self.choice.uses_all:
            return self.choice(self.encoder.pooled_states(frames, lengths))
        return mean_of_real_frames(self.encoder(frames, lengths), lengths)

    def _convolved(self, features, lengths):
        """Apply the feature extractor to the batch in training, else to each utterance alone."""
        if self.training:
            return self.encoder.convolve_batch(features, lengths)
        alone = [Frames(own, int(length)) for own, length in zip(features, lengths, strict=True)]
        return pad([self.encoder.convolve_utterance(own, features.device) for own in alone], features.device)

    def read_frames(self, path, utterances: list[dict], wanted: Collection[str], storage: Storage) -> list[Frames]:
        """Compute what training does not change, for the wanted utterances, as `BaseEncoder.read_frames`."""
        return self.encoder.read_frames(path, utterances, wanted, storage, features_only=self.trains_all)

    def frames_of(self, samples: np.ndarray, device: torch.device) -> Frames:
        """Compute what training does not change, for one utterance, as `BaseEncoder.frames_of`."""
        return self.encoder.frames_of(samples, device, features_only=self.trains_all)
