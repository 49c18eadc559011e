"""wav2vec 2.0 (Baevski et al., 2020): Wav2Vec2 (base and large), XLSR and MMS."""

from transformers import Wav2Vec2Config, Wav2Vec2Model

from ser.models.waveform_encoder import Encoder, Family

FAMILY = Family(Wav2Vec2Config, Wav2Vec2Model, Encoder)
build_encoder, load, encoder_config = FAMILY.build_encoder, FAMILY.load, FAMILY.encoder_config
