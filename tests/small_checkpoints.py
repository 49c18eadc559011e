"""Small random checkpoints of the real architectures, as Hugging Face folders."""

from pathlib import Path

import torch
from transformers import (
    HubertConfig,
    HubertForSequenceClassification,
    UniSpeechSatConfig,
    UniSpeechSatForPreTraining,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForPreTraining,
    WavLMConfig,
    WavLMForSequenceClassification,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

SMALL_WAV2VEC2 = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "codevector_dim": 8,
    "proj_codevector_dim": 8,
    "num_codevectors_per_group": 4,
}
GROUP_NORM = {"feat_extract_norm": "group"}  # wav2vec2-base
# wav2vec2-large-lv60, XLSR and MMS
LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
SMALL_WHISPER = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 24,
    "vocab_size": 20,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}


def save_wav2vec2(folder: Path, **settings):
    """Save a wav2vec 2.0 checkpoint with its quantizer, and return the encoder."""
    return save_model(folder, Wav2Vec2ForPreTraining(Wav2Vec2Config(**SMALL_WAV2VEC2 | settings))).wav2vec2.eval()


def save_hubert(folder: Path, **settings):
    """Save a HuBERT checkpoint with a classification head."""
    save_model(folder, HubertForSequenceClassification(HubertConfig(**SMALL_WAV2VEC2 | settings)))


def save_wavlm(folder: Path, **settings):
    """Save a WavLM checkpoint with a classification head on a weighted sum of its layers, as in SUPERB."""
    config = WavLMConfig(
        **SMALL_WAV2VEC2 | {"use_weighted_layer_sum": True, "num_buckets": 32, "max_bucket_distance": 64} | settings
    )
    save_model(folder, WavLMForSequenceClassification(config))


def save_unispeech_sat(folder: Path, **settings):
    """Save a UniSpeech-SAT checkpoint with its quantizer."""
    save_model(folder, UniSpeechSatForPreTraining(UniSpeechSatConfig(**SMALL_WAV2VEC2 | settings)))


def save_model(folder: Path, model):
    """Save a checkpoint of a waveform encoder and its preprocessor, and return the model."""
    perturb(model)
    model.save_pretrained(folder)
    with_mask = model.config.feat_extract_norm == "layer"
    Wav2Vec2FeatureExtractor(return_attention_mask=with_mask).save_pretrained(folder)
    return model


def save_whisper(folder: Path, **settings):
    """Save a Whisper checkpoint with its decoder, and return the encoder."""
    model = WhisperForConditionalGeneration(WhisperConfig(**SMALL_WHISPER | settings))
    positions = model.model.encoder.embed_positions.weight.clone()
    perturb(model)
    model.model.encoder.embed_positions.weight.data.copy_(positions)
    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=model.config.num_mel_bins).save_pretrained(folder)
    return model.model.encoder.eval()


def perturb(model) -> None:
    """Add noise to every parameter, so that no initial 0 or 1 hides a mistake."""
    with torch.no_grad():
        for parameter in model.parameters():
            inputs = parameter[0].numel() if parameter.ndim > 1 else 100
            parameter.add_(torch.randn_like(parameter) * inputs**-0.5)
