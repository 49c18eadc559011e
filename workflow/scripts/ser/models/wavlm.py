"""WavLM (Chen et al., 2022)."""

from collections.abc import Iterator

import torch
from transformers import WavLMConfig, WavLMModel

from ser.models import waveform_encoder


class Encoder(waveform_encoder.Encoder):
    """WavLM's encoder. Its layers share a bias by relative position, which the first one computes."""

    attention = ()  # transformers' WavLMAttention reads the projections' weights, so an update of them has no effect

    def transformed(self, hidden: torch.Tensor, mask: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the output of each transformer layer, of the same shape as its input.

        Args:
            mask: (batch, frames), True on real frames.
        """
        bias = None
        for layer in self.layers:
            hidden, bias = layer(hidden, attention_mask=mask, position_bias=bias)
            yield hidden


FAMILY = waveform_encoder.family(Encoder, WavLMConfig, WavLMModel, attention="eager")
