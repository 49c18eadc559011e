"""UniSpeech-SAT (Chen et al., 2022)."""

from transformers import UniSpeechSatConfig, UniSpeechSatModel

from ser.models.waveform_encoder import Encoder, Family

FAMILY = Family(UniSpeechSatConfig, UniSpeechSatModel, Encoder)
build_encoder, load, encoder_config = FAMILY.build_encoder, FAMILY.load, FAMILY.encoder_config
