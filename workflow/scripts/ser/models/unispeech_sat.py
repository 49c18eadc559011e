"""UniSpeech-SAT (Chen et al., 2022)."""

from transformers import UniSpeechSatConfig, UniSpeechSatModel

from ser.models.waveform_encoder import Encoder, family

FAMILY = family(Encoder, UniSpeechSatConfig, UniSpeechSatModel)
