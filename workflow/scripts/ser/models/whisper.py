"""Whisper's encoder (Radford et al., 2023), from transformers' own layers.

`context: 30s` is the stock encoder, which pads every utterance to 30 s and attends to the silence; `context: utterance`
gives it the utterance's own frames only. Pooling takes the utterance's own frames in both. Of an utterance longer
than 30 s, the first 30 s are used: the encoder has positions for no more.
"""

import numpy as np
import torch
from torch import nn
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.initialization import no_init_weights
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from ser.core.errors import UserError
from ser.models.batching import Frames, real_frames
from ser.models.encoder_classifier import FoundationModel, encoder_weights, fill, read_encoder_settings

OFF = {"encoder_layerdrop": 0.0, "apply_spec_augment": False}


def build(settings: dict, encoder) -> FoundationModel:
    """The model of a configuration's entry, from an encoder's folder."""
    config, preprocessor = read_encoder_settings(encoder)
    if settings["weights"] == "random":
        model = WhisperEncoder(encoder_config(config))
    else:
        model = load(config, encoder_weights(encoder), encoder)
    extractor = WhisperFeatureExtractor.from_dict(preprocessor)
    if extractor.feature_size != model.num_mel_bins:
        raise UserError(
            f"{encoder}: its config.json wants {model.num_mel_bins} mel bands, its preprocessor_config.json makes"
            f" {extractor.feature_size}"
        )
    return FoundationModel(Encoder(model, extractor, settings["context"]), settings)


def encoder_config(config: dict) -> WhisperConfig:
    """transformers' configuration of a checkpoint, for fine-tuning here."""
    return WhisperConfig.from_dict(config | OFF, attn_implementation="sdpa")


def load(config: dict, tensors: dict[str, torch.Tensor], where) -> WhisperEncoder:
    """transformers' encoder with a checkpoint's weights. Raises `UserError` if they do not fit."""
    with no_init_weights():  # every weight is the checkpoint's
        model = WhisperEncoder(encoder_config(config))
    fill(model, tensors, (), where)
    model.embed_positions.requires_grad_(False)
    return model


class Encoder(nn.Module):
    """Whisper's encoder as front end and body.

    Args:
        model: with its weights.
        extractor: the checkpoint's, for its log-mel frames.
        context: `utterance` or `30s`.
    """

    feed_forward = ("fc1", "fc2")

    def __init__(self, model: WhisperEncoder, extractor: WhisperFeatureExtractor, context: str):
        super().__init__()
        self.convolutions = nn.ModuleList([model.conv1, model.conv2])
        self.positions = model.embed_positions
        self.layers = model.layers
        self.norm = model.layer_norm
        self.dropout = nn.Dropout(model.dropout)
        self.hidden_size = self.frame_width = model.config.d_model
        self.feature_width = extractor.feature_size
        self._extractor = extractor
        self._whole_context = context == "30s"

    def projection_and_body(self) -> list[nn.Module]:
        """Everything but the convolutions and the sinusoidal positions."""
        return [self.layers, self.norm]

    def feature_count(self, samples: int) -> int:
        """Log-mel frames of an utterance, of the silence up to 30 s too where that is the context."""
        samples = min(samples, self._extractor.n_samples)
        return self._extractor.nb_max_frames if self._whole_context else -(-samples // self._extractor.hop_length)

    def frame_count(self, samples: int) -> int:
        """Frames that the front end makes of an utterance."""
        return -(-self.feature_count(samples) // 2)

    def features(self, waveform: np.ndarray) -> Frames:
        """Log-mel frames as the checkpoint's extractor makes them: (frames, bands), 100 a second."""
        return log_mel(self._extractor, waveform, self._whole_context)

    def front_end(self, features: Frames, device) -> Frames:
        """One utterance through the convolutions, with positions: (frames, hidden), 50 a second."""
        values = features.values if self._whole_context else features.values[: features.real]
        frames, lengths = self.padded_front_end(values.unsqueeze(0).to(device), torch.tensor([features.real]))
        return Frames(frames.squeeze(0), int(lengths))

    def padded_front_end(self, features: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch through the convolutions, with positions, each utterance as if it were alone.

        Args:
            features: (batch, frames, bands), padded.
            lengths: real frames of each utterance.

        Returns frames of shape (batch, half as many frames, hidden), and how many are real.
        """
        hidden = features.transpose(1, 2)
        for convolution in self.convolutions:
            if not self._whole_context:
                # a convolution's own padding is zero, so what lies beyond the end must be as well
                hidden = hidden * real_frames(lengths, hidden.shape[-1], hidden.device).unsqueeze(1)
            hidden = nn.functional.gelu(convolution(hidden))
            lengths = torch.div(lengths - 1, convolution.stride[0], rounding_mode="floor") + 1
        return hidden.transpose(1, 2) + self.positions.weight[: hidden.shape[-1]], lengths

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """The body: (batch, frames, hidden) to the same shape, the same for an utterance in any batch."""
        mask = None
        if not self._whole_context:
            mask = real_frames(lengths, frames.shape[1], frames.device)[:, None, None, :]
        hidden = self.dropout(frames)
        for layer in self.layers:
            hidden = layer(hidden, attention_mask=mask)
        return self.norm(hidden)


def log_mel(extractor: WhisperFeatureExtractor, waveform: np.ndarray, whole_context: bool = False) -> Frames:
    """Log-mel frames of an utterance, of 30 s at most: (frames, bands), 100 a second.

    Args:
        waveform: float32 in [-1, 1), 16 kHz.
        whole_context: whether the frames of the silence up to 30 s are kept behind the utterance's own.
    """
    waveform = waveform[: extractor.n_samples]
    own = -(-len(waveform) // extractor.hop_length)
    if not whole_context:
        # zeros for the last frame's window, as in 30 s: nothing of what is cut off reaches the frames that are kept
        waveform = np.pad(waveform, (0, min(extractor.n_fft, extractor.n_samples - len(waveform))))
    padding = "max_length" if whole_context else "do_not_pad"
    result = extractor(
        waveform, sampling_rate=extractor.sampling_rate, padding=padding, truncation=True, return_tensors="pt"
    )
    frames = result.input_features[0].T
    return Frames((frames if whole_context else frames[:own]).contiguous(), own)
