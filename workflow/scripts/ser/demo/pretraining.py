"""Tiny encoders of the four true architectures, pre-trained for seconds on synthetic speech.

They are no substitute for the published checkpoints, only something for the demo's runs to start from. They learn to
hear the rate, pitch and range with which numbers are read, in one language or several. Neither a sentence nor an
emotion's name of the demo's corpora reaches them; but rate, pitch and range are what emotion is made of there.
"""

import logging

import numpy as np
import soxr
import torch
from torch import nn

from ser.core.constants import SAMPLE_RATE
from ser.core.seeding import named_generator, named_seed
from ser.demo.espeak import Espeak, Manner
from ser.demo.speech import VARIANTS
from ser.models import wav2vec2, whisper
from ser.models.batching import mean_of_real_frames, pad, random_batches
from ser.models.trainable_state import trained_parameters

log = logging.getLogger(__name__)

TINY = {
    "wav2vec2": {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "conv_dim": [16] * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        **dict.fromkeys(("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout"), 0.0),
    },
    "whisper": {"d_model": 64, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 128},
}
MANNERS = {"rate": (100, 250), "pitch": (20, 90), "range": (0, 99), "volume": (40, 115)}  # see `Manner`
HEARD = ("rate", "pitch", "range")  # volume is lost when an encoder normalises its input
UTTERANCES, LONGEST = 500, SAMPLE_RATE
EPOCHS, BATCH_SIZE, LEARNING_RATE = 4, 8, 2e-3


def pretrain(family: str, config: dict, voices: list[str]) -> tuple[dict[str, torch.Tensor], dict, dict]:
    """Pre-train an encoder: regression of the manner of speech from the average of its hidden states.

    Args:
        family: `wav2vec2` or `whisper`.
        config: what its architecture has of its own, in transformers' words.
        voices: eSpeak's names of the languages that it hears.

    Returns its weights, configuration and preprocessor configuration, as a checkpoint's files hold them.
    """
    torch.manual_seed(named_seed("pretraining", family, *voices))
    model, extractor, encoder = fresh(family, TINY[family] | config)
    waveforms, manners = read_numbers(voices)
    features = [encoder.features(waveform) for waveform in waveforms]
    targets = torch.tensor([[getattr(manner, name) for name in HEARD] for manner in manners])
    targets = (targets - targets.mean(dim=0)) / targets.std(dim=0)
    output = nn.Linear(encoder.hidden_size, len(HEARD))
    trained = trained_parameters(nn.ModuleList([encoder, output]))
    optimizer = torch.optim.Adam(trained.values(), LEARNING_RATE)
    for epoch in range(1, EPOCHS + 1):
        total = 0.0
        for batch in random_batches(list(map(len, waveforms)), BATCH_SIZE, named_generator("pretraining", epoch)):
            frames, lengths = encoder.padded_front_end(*pad([features[i] for i in batch], torch.device("cpu")))
            heard = output(mean_of_real_frames(encoder(frames, lengths), lengths))
            loss = nn.functional.mse_loss(heard, targets[batch])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            total += loss.item() * len(batch)
        log.info("epoch %d of %d: mean squared error %.3f", epoch, EPOCHS, total / len(waveforms))
    return model.state_dict(), model.config.to_dict(), extractor.to_dict()


def fresh(family: str, config: dict) -> tuple[nn.Module, object, nn.Module]:
    """An untrained model of transformers, its feature extractor, and both as the workflow's encoder."""
    if family == "wav2vec2":
        model, extractor = wav2vec2.Wav2Vec2Model(wav2vec2.encoder_config(config)), wav2vec2.Wav2Vec2FeatureExtractor()
        return model, extractor, wav2vec2.Encoder(model, extractor)
    model, extractor = whisper.WhisperEncoder(whisper.encoder_config(config)), whisper.WhisperFeatureExtractor()
    return model, extractor, whisper.Encoder(model, extractor, "utterance")


def read_numbers(voices: list[str]) -> tuple[list[np.ndarray], list[Manner]]:
    """Pairs of numbers, read in every manner by voices of each language in turn.

    Returns waveforms (16 kHz, float32 in [-1, 1), of at most 1 s) and manners.
    """
    espeak, rng = Espeak(), named_generator("numbers", *voices)
    variants = [variant for of_gender in VARIANTS.values() for variant in of_gender]
    waveforms, manners = [], []
    for index in range(UTTERANCES):
        manner = Manner(**{carrier: rng.uniform(*limits) for carrier, limits in MANNERS.items()})
        voice = f"{voices[index % len(voices)]}+{rng.choice(variants)}"
        samples = espeak.say(f"{rng.integers(1, 100)} {rng.integers(1, 100)}", voice, manner).astype(np.float32) / 32768
        waveforms.append(soxr.resample(samples, espeak.sample_rate, SAMPLE_RATE)[:LONGEST])
        manners.append(manner)
    return waveforms, manners
