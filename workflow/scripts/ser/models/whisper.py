"""Whisper's encoder (Radford et al., 2023), built from transformers' layers.

With `context: 30s` every utterance is padded to 30 s and the encoder attends to the silence, as in the stock model.
With `context: utterance` the encoder receives the utterance's own frames only. Pooling averages the utterance's own
frames in both cases. Longer utterances are cut to the encoder's number of positions. That is 30 s, also the meaning of
`30s`, unless the checkpoint's `max_source_positions` says otherwise.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel, WhisperConfig, WhisperFeatureExtractor, WhisperForAudioClassification

from ser.core.errors import UserError
from ser.models.base_encoder import BaseEncoder
from ser.models.batching import Frames, real_frames
from ser.models.encoder_family import EncoderFamily

OFF = {"encoder_layerdrop": 0.0, "apply_spec_augment": False}


class Encoder(BaseEncoder):
    """Whisper's encoder.

    Args:
        model: with its weights.
        extractor: the checkpoint's preprocessor, which computes log-mel frames.
        settings: the model's entry in the configuration; `context` is `utterance` or `30s`.

    Raises `UserError` if the model expects other log-mel frames.
    """

    feed_forward = ("fc1", "fc2")
    attention = ("q_proj", "v_proj")

    def __init__(self, model: PreTrainedModel, extractor: WhisperFeatureExtractor, settings: Mapping):
        super().__init__()
        if extractor.feature_size != model.num_mel_bins:
            raise UserError(
                f"its config.json expects {model.num_mel_bins} mel bands, but its preprocessor_config.json has"
                f" {extractor.feature_size}: correct the checkpoint"
            )
        self.convolutions = nn.ModuleList([model.conv1, model.conv2])
        self.positions = model.embed_positions.requires_grad_(False)
        self.layers = model.layers
        self.norm = model.layer_norm
        self._normalised = len(self.layers)  # number of the layer that the norm follows
        self.dropout = nn.Dropout(model.dropout)
        self.hidden_size = self.frame_width = model.config.d_model
        self.feature_width = extractor.feature_size
        self._extractor = extractor
        self.max_samples = 2 * model.config.max_source_positions * extractor.hop_length
        self._whole_context = settings["context"] == "30s"

    def trainable_modules(self) -> list[nn.Module]:
        """Return all modules except the convolutions and the sinusoidal positions."""
        return [self.layers, self.norm]

    def feature_count(self, samples: int) -> int:
        """Return the number of log-mel frames, with the silence of `context: 30s`."""
        samples = self.max_samples if self._whole_context else min(samples, self.max_samples)
        return -(-samples // self._extractor.hop_length)

    def frame_count(self, samples: int) -> int:
        """Return how many frames the feature extractor computes for an utterance."""
        return -(-self.feature_count(samples) // 2)

    def features(self, waveform: np.ndarray) -> Frames:
        """Compute the checkpoint's log-mel frames: (frames, bands), 100 per second."""
        extractor, whole = self._extractor, self._whole_context
        waveform = waveform[: self.max_samples]
        own = -(-len(waveform) // extractor.hop_length)
        if not whole:  # the last frame's window needs zeros after the utterance, as with padding to 30 s
            waveform = np.pad(waveform, (0, min(extractor.n_fft, self.max_samples - len(waveform))))
        result = extractor(
            waveform,
            sampling_rate=extractor.sampling_rate,
            padding="max_length" if whole else "do_not_pad",
            max_length=self.max_samples,
            truncation=True,
            return_tensors="pt",
        )
        frames = result.input_features[0].T
        return Frames((frames if whole else frames[:own]).contiguous(), own)

    def convolve_utterance(self, features: Frames, device) -> Frames:
        """Apply convolutions and add positions: (frames, hidden), 50 per second."""
        values = features.values if self._whole_context else features.values[: features.real]
        frames, lengths = self.convolve_batch(values.unsqueeze(0).to(device), torch.tensor([features.real]))
        return Frames(frames.squeeze(0), int(lengths))

    def convolve_batch(self, features: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Apply `convolve_utterance` to a padded batch, as to each utterance alone.

        Args:
            features: (batch, frames, bands), padded.
            lengths: real frames of each utterance.

        Returns frames of shape (batch, half as many frames, hidden), and the number of real frames.
        """
        hidden = features.transpose(1, 2)
        for convolution in self.convolutions:
            if not self._whole_context:
                # the convolution pads with zeros, so padding beyond the end must be zero too
                hidden = hidden * real_frames(lengths, hidden.shape[-1], hidden.device).unsqueeze(1)
            hidden = nn.functional.gelu(convolution(hidden))
            lengths = torch.div(lengths - 1, convolution.stride[0], rounding_mode="floor") + 1
        return hidden.transpose(1, 2) + self.positions.weight[: hidden.shape[-1]], lengths

    def states(self, frames: torch.Tensor, lengths: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the input of the first layer and the output of each, of the same shape; the last after the norm."""
        mask = None
        if not self._whole_context:
            mask = real_frames(lengths, frames.shape[1], frames.device)[:, None, None, :]
        hidden = self.dropout(frames)
        yield hidden
        for number, layer in enumerate(self.layers, 1):
            hidden = layer(hidden, attention_mask=mask)
            yield self.norm(hidden) if number == self._normalised else hidden


FAMILY = EncoderFamily(  # the class with the encoder, but not the decoder
    Encoder, WhisperConfig, WhisperForAudioClassification, WhisperFeatureExtractor, OFF, part="encoder"
)
