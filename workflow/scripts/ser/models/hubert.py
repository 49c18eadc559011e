"""HuBERT (Hsu et al., 2021) and mHuBERT-147 (Boito et al., 2024)."""

from transformers import HubertConfig, HubertModel

from ser.models.waveform_encoder import Encoder, family

FAMILY = family(Encoder, HubertConfig, HubertModel)
