"""wav2vec 2.0 (Baevski et al., 2020): Wav2Vec2 (base and large), XLSR and MMS."""

from transformers import Wav2Vec2Config, Wav2Vec2Model

from ser.models.waveform_encoder import Encoder, family

FAMILY = family(Encoder, Wav2Vec2Config, Wav2Vec2Model)
