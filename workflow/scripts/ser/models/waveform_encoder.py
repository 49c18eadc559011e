"""Encoders of waveforms with the architecture of wav2vec 2.0: Wav2Vec2 itself, HuBERT, WavLM and UniSpeech-SAT.

They are built from transformers' layers. The feature extractor (`convolve_utterance`), seven convolutions over the
waveform, processes each utterance alone: the base models' group norm uses statistics of the whole input, padding
included, so batching waveforms would change every output. Where the convolutions are trained, they are applied to
batches, with statistics of each utterance's own frames (`convolve_batch`).
"""

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel, Wav2Vec2FeatureExtractor

from ser.core.errors import UserError
from ser.models.base_encoder import BaseEncoder
from ser.models.batching import Frames, real_frames
from ser.models.encoder_family import EncoderFamily
from ser.models.fourier_convolution import convolve

# Dropout stays as in the checkpoint; LayerDrop and SpecAugment are off (docs/reference/protocol.md).
OFF = {
    "layerdrop": 0.0,
    "apply_spec_augment": False,
    "mask_time_prob": 0.0,
    "mask_feature_prob": 0.0,
    "add_adapter": False,
}


class Encoder(BaseEncoder):
    """Encoder of waveforms.

    Args:
        model: with its weights.
        extractor: the checkpoint's preprocessor, which normalises the waveform.
        settings: the model's entry in the configuration.

    Raises `UserError` if the checkpoint has batch norm.
    """

    feed_forward = ("intermediate_dense", "output_dense")
    attention = ("q_proj", "v_proj")
    feature_width = 1

    def __init__(self, model: PreTrainedModel, extractor: Wav2Vec2FeatureExtractor, settings: Mapping):
        super().__init__()
        if getattr(model.config, "conv_pos_batch_norm", False):
            raise UserError("encoders with batch norm (conv_pos_batch_norm in config.json) are not supported")
        self.convolutions = model.feature_extractor.conv_layers
        self.projection = model.feature_projection
        self.positions = model.encoder.pos_conv_embed
        self.dropout = model.encoder.dropout
        self.layers = model.encoder.layers
        self.norm = model.encoder.layer_norm
        self.hidden_size = model.config.hidden_size
        self.frame_width = model.config.conv_dim[-1]
        # number of the layer that the norm follows; 0: it precedes the first
        self._normalised = len(self.layers) if model.config.do_stable_layer_norm else 0
        self._extractor = extractor

    def trainable_modules(self) -> list[nn.Module]:
        """Return all modules except the feature extractor; the positional convolution is among them."""
        return [self.projection, self.positions, self.layers, self.norm]

    def feature_count(self, samples: int) -> int:
        """Return the length of the output of `features`, in samples."""
        return samples

    def frame_count(self, samples: int) -> int:
        """Return the number of frames; less than 1 if the utterance is too short."""
        for layer in self.convolutions:
            samples = _conv_output_length(layer.conv, samples)
        return samples

    def features(self, waveform: np.ndarray) -> Frames:
        """Normalise the waveform as the checkpoint requires: (samples, 1).

        Args:
            waveform: float32 in [-1, 1), 16 kHz.
        """
        values = self._extractor(waveform, sampling_rate=self._extractor.sampling_rate).input_values[0]
        return Frames.all_real(torch.from_numpy(values).unsqueeze(-1))

    def convolve_utterance(self, features: Frames, device) -> Frames:
        """Apply the convolutions to one utterance: (frames, channels)."""
        hidden = features.values[: features.real].to(device).T.unsqueeze(0)  # (1, 1, samples)
        for layer in self.convolutions:
            hidden = layer(hidden)
        return Frames.all_real(hidden.squeeze(0).T.contiguous())

    def convolve_batch(self, features: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Apply the convolutions to a padded batch, as to each utterance alone.

        Args:
            features: (batch, samples, 1), padded.
            lengths: real samples of each utterance.

        Returns frames of shape (batch, frames, channels), and the number of real frames. Padding does not affect real
        frames: the convolutions add none, and a group norm computes its statistics over real frames.
        """
        hidden = features.transpose(1, 2)
        for layer in self.convolutions:
            lengths = _conv_output_length(layer.conv, lengths)
            if isinstance(getattr(layer, "layer_norm", None), nn.GroupNorm):
                hidden = layer.conv(hidden)
                mask = real_frames(lengths, hidden.shape[-1], hidden.device)
                hidden = layer.activation(_normalise_real_frames(layer.layer_norm, hidden, mask))
            else:
                hidden = layer(hidden)
        return hidden.transpose(1, 2), lengths

    def states(self, frames: torch.Tensor, lengths: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the input of the first layer and the output of each: (batch, frames, hidden).

        The last is the encoder's output, after its norm. The values for an utterance do not depend on its batch. The
        steps are those of transformers' encoders (for example Wav2Vec2Encoder and Wav2Vec2EncoderStableLayerNorm),
        without their checks for padding, each of which waits for the GPU.
        """
        mask = real_frames(lengths, frames.shape[1], frames.device)
        hidden = self.projected(frames)
        hidden = hidden.masked_fill(~mask.unsqueeze(-1), 0)  # the positional convolution reads frames beyond the end
        hidden = hidden + self.positional(hidden)
        hidden = self.dropout(hidden if self._normalised else self.norm(hidden))
        yield hidden
        for number, output in enumerate(self.transformed(hidden, mask), 1):
            yield self.norm(output) if number == self._normalised else output

    def projected(self, frames: torch.Tensor) -> torch.Tensor:
        """Map frames to the transformer's width: (batch, frames, channels) to (batch, frames, hidden)."""
        hidden = self.projection(frames)
        return hidden[0] if isinstance(hidden, tuple) else hidden

    def positional(self, hidden: torch.Tensor) -> torch.Tensor:
        """Apply the positional convolution; the result has the input's shape."""
        convolved = convolve(hidden.transpose(1, 2), self.positions.conv)
        return self.positions.activation(convolved.transpose(1, 2))

    def transformed(self, hidden: torch.Tensor, mask: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the output of each transformer layer, of the same shape as its input.

        Args:
            mask: (batch, frames), True on real frames.
        """
        for layer in self.layers:
            output = layer(hidden, attention_mask=mask[:, None, None, :])
            hidden = output[0] if isinstance(output, tuple) else output  # a tuple before transformers 5.16
            yield hidden


def _conv_output_length(convolution: nn.Conv1d, length):
    """Return the output length of a convolution without padding."""
    return (length - convolution.kernel_size[0]) // convolution.stride[0] + 1


def _normalise_real_frames(norm: nn.GroupNorm, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Apply group norm with one group per channel, over real frames only.

    Args:
        hidden: (batch, channels, frames).
        mask: (batch, frames), True on real frames.
    """
    mask = mask.unsqueeze(1)
    count = mask.sum(dim=-1, keepdim=True)
    mean = hidden.masked_fill(~mask, 0).sum(dim=-1, keepdim=True) / count
    centred = (hidden - mean).masked_fill(~mask, 0)
    variance = centred.square().sum(dim=-1, keepdim=True) / count
    return centred * torch.rsqrt(variance + norm.eps) * norm.weight[:, None] + norm.bias[:, None]


# Returns the family of an architecture, from its encoder, configuration and model.
family = partial(EncoderFamily, extractor=Wav2Vec2FeatureExtractor, off=OFF)
