"""Synthetic emotional speech: emotion changes rate, pitch, range and volume."""

from collections.abc import Iterator

import numpy as np
import soxr

from ser.core.seeding import named_generator
from ser.demo.espeak import VARIANTS, Espeak, Manner
from ser.demo.layouts import Layout, Line
from ser.demo.writing import as_wav

PARAMETERS = ("rate", "pitch", "range", "volume")
LIMITS = {"rate": (80, 450), "pitch": (0, 99), "range": (0, 99), "volume": (20, 120)}
SECOND_MICROPHONE_DELAY = 0.0005  # seconds, as in EMOVO


def spoken_members(layout: Layout, language: dict) -> Iterator[tuple[str, bytes]]:
    """Yield the archive's members: synthesised lines and text files.

    Args:
        language: `voice`, `sentences`, the means of all parameters per emotion (`emotions`), and their standard
            deviations between speakers (`speakers`) and between utterances (`utterances`).
    """
    espeak = Espeak()
    voices = speaker_voices(layout)
    for line in layout.lines:
        sentence = language["sentences"][line.sentence % len(language["sentences"])]
        voice = f"{language['voice']}+{voices[line.speaker]}"
        samples = espeak.say(sentence, voice, draw_manner(line, language))
        resampled = soxr.resample(samples.astype(np.float32), espeak.sample_rate, layout.sample_rate)
        samples = np.clip(np.rint(resampled), -32768, 32767).astype(np.int16)
        if layout.stereo(line.path):
            delay = round(SECOND_MICROPHONE_DELAY * layout.sample_rate)
            samples = np.stack([samples, np.roll(samples, delay)], axis=1)
        yield line.path, as_wav(samples, layout.sample_rate)
    for path, text in layout.texts.items():
        yield path, text.encode()


def speaker_voices(layout: Layout) -> dict[str, str]:
    """Return a voice variant for each speaker, assigned in turn within each gender."""
    genders = {line.speaker: line.gender for line in layout.lines}
    voices: dict[str, str] = {}
    for gender, variants in VARIANTS.items():
        speakers = sorted(speaker for speaker in genders if genders[speaker] == gender)
        voices |= {speaker: variants[i % len(variants)] for i, speaker in enumerate(speakers)}
    return voices


def draw_manner(line: Line, language: dict) -> Manner:
    """Return the emotion's mean manner with random speaker and utterance offsets."""
    speaker_draws = named_generator("habit", language["voice"], line.speaker).standard_normal(len(PARAMETERS))
    utterance_draws = named_generator("manner", language["voice"], line.path).standard_normal(len(PARAMETERS))
    values = {}
    for name, speaker_draw, utterance_draw in zip(PARAMETERS, speaker_draws, utterance_draws, strict=True):
        value = language["emotions"][line.emotion][name]
        value += speaker_draw * language["speakers"][name] + utterance_draw * language["utterances"][name]
        values[name] = float(np.clip(value, *LIMITS[name]))
    return Manner(**values)
