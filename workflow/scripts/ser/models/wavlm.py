"""WavLM (Chen et al., 2022)."""

import torch
from transformers import WavLMConfig, WavLMModel

from ser.models import waveform_encoder


class Encoder(waveform_encoder.Encoder):
    """WavLM's encoder. Its layers share a bias by relative position, which the first one computes."""

    attention = ()  # transformers' WavLMAttention reads the projections' weights, so an update of them has no effect

    def transformed(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Apply the transformer layers: (batch, frames, hidden) to the same shape.

        Args:
            mask: (batch, frames), True on real frames.
        """
        bias = None
        for layer in self.layers:
            hidden, bias = layer(hidden, attention_mask=mask, position_bias=bias)
        return hidden


FAMILY = waveform_encoder.Family(WavLMConfig, WavLMModel, Encoder, attention="eager")
build, load, encoder_config = FAMILY.build, FAMILY.load, FAMILY.encoder_config
