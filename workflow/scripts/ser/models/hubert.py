"""HuBERT (Hsu et al., 2021) and mHuBERT-147 (Boito et al., 2024)."""

import torch
from transformers import HubertConfig, HubertModel

from ser.models import waveform_encoder


class Encoder(waveform_encoder.Encoder):
    """HuBERT's encoder. It differs from wav2vec 2.0 in its training objective, and in what its projection returns."""

    def projected(self, frames: torch.Tensor) -> torch.Tensor:
        """Map frames to the transformer's width: (batch, frames, channels) to (batch, frames, hidden)."""
        return self.projection(frames)


FAMILY = waveform_encoder.family(Encoder, HubertConfig, HubertModel)
