"""Tiny encoders, pre-trained for seconds on synthetic speech.

They have the architectures of the published encoders. They only serve as checkpoints for the demo's runs. They
learn to predict rate, pitch and range of spoken numbers, in one or several languages. The sentences and emotion
labels of the demo's corpora are not used; but emotion in these corpora consists of the same rate, pitch and range.
"""

import logging

import numpy as np
import soxr
import torch
from torch import nn

from ser.core.constants import SAMPLE_RATE
from ser.core.seeding import named_generator, named_seed
from ser.demo.espeak import VARIANTS, Espeak, Manner
from ser.models import wav2vec2, whisper
from ser.models.batching import mean_of_real_frames, pad, random_batches
from ser.models.trainable_state import trained_parameters

log = logging.getLogger(__name__)

FAMILIES = {"wav2vec2": wav2vec2.FAMILY, "whisper": whisper.FAMILY}
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
PREDICTED = ("rate", "pitch", "range")  # volume is lost when an encoder normalises its input
UTTERANCES, MAX_LENGTH = 500, SAMPLE_RATE
EPOCHS, BATCH_SIZE, LEARNING_RATE = 4, 8, 2e-3


def pretrain(family: str, config: dict, voices: list[str]) -> tuple[dict[str, torch.Tensor], dict, dict]:
    """Pre-train an encoder to predict the manner of speaking.

    The prediction is a linear regression from the mean hidden state.

    Args:
        family: `wav2vec2` or `whisper`.
        config: settings of the architecture that differ from `TINY`, as in transformers.
        voices: eSpeak's names of the languages in the pre-training data.

    Returns the weights, configuration and preprocessor configuration, in the format of a checkpoint's files.
    """
    torch.manual_seed(named_seed("pretraining", family, *voices))
    model, extractor, encoder = untrained_encoder(family, TINY[family] | config)
    waveforms, manners = speak_numbers(voices)
    features = [encoder.features(waveform) for waveform in waveforms]
    targets = torch.tensor([[getattr(manner, name) for name in PREDICTED] for manner in manners])
    targets = (targets - targets.mean(dim=0)) / targets.std(dim=0)
    output = nn.Linear(encoder.hidden_size, len(PREDICTED))
    trained = trained_parameters(nn.ModuleList([encoder, output]))
    optimizer = torch.optim.Adam(trained.values(), LEARNING_RATE)
    for epoch in range(1, EPOCHS + 1):
        total = 0.0
        for batch in random_batches(list(map(len, waveforms)), BATCH_SIZE, named_generator("pretraining", epoch)):
            frames, lengths = encoder.convolve_batch(*pad([features[i] for i in batch], torch.device("cpu")))
            predicted = output(mean_of_real_frames(encoder(frames, lengths), lengths))
            loss = nn.functional.mse_loss(predicted, targets[batch])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            total += loss.item() * len(batch)
        log.info("epoch %d of %d: mean squared error %.3f", epoch, EPOCHS, total / len(waveforms))
    return model.state_dict(), model.config.to_dict(), extractor.to_dict()


def untrained_encoder(family: str, config: dict) -> tuple[nn.Module, object, nn.Module]:
    """Return an untrained model, its feature extractor, and the encoder of both."""
    architecture = FAMILIES[family]
    model, extractor = architecture.model(architecture.adapted_config(config)), architecture.extractor()
    part = model.get_submodule(architecture.part)
    return model, extractor, architecture.encoder(part, extractor, {"context": "utterance"})


def speak_numbers(voices: list[str]) -> tuple[list[np.ndarray], list[Manner]]:
    """Synthesise pairs of numbers in random manners, with each language in turn.

    Returns waveforms (16 kHz, float32 in [-1, 1), at most 1 s) and manners.
    """
    espeak, rng = Espeak(), named_generator("numbers", *voices)
    variants = [variant for gender_variants in VARIANTS.values() for variant in gender_variants]
    waveforms, manners = [], []
    for index in range(UTTERANCES):
        manner = Manner(**{parameter: rng.uniform(*limits) for parameter, limits in MANNERS.items()})
        voice = f"{voices[index % len(voices)]}+{rng.choice(variants)}"
        samples = espeak.say(f"{rng.integers(1, 100)} {rng.integers(1, 100)}", voice, manner).astype(np.float32) / 32768
        waveforms.append(soxr.resample(samples, espeak.sample_rate, SAMPLE_RATE)[:MAX_LENGTH])
        manners.append(manner)
    return waveforms, manners
