"""Emotional speech of a sort: what emotion does to rate, pitch, range and volume, blurred."""

from collections.abc import Iterator

import numpy as np
import soxr

from ser.core.seeding import named_generator
from ser.demo.espeak import Espeak, Manner
from ser.demo.layouts import Layout, Line
from ser.demo.writing import as_wav

CARRIERS = ("rate", "pitch", "range", "volume")
LIMITS = {"rate": (80, 450), "pitch": (0, 99), "range": (0, 99), "volume": (20, 120)}
VARIANTS = {"female": ("f1", "f2", "f3", "f4", "f5"), "male": ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8")}
SECOND_MICROPHONE_DELAY = 0.0005  # seconds, as in EMOVO


def spoken_members(layout: Layout, language: dict) -> Iterator[tuple[str, bytes]]:
    """The archive's members: every line spoken and encoded, and the texts.

    Args:
        language: `voice`, `sentences`, the mean of every carrier per emotion (`emotions`), and the
            standard deviations of a speaker's habit (`speakers`) and of an utterance (`utterances`).
    """
    espeak = Espeak()
    voices = speaker_voices(layout)
    for line in layout.lines:
        sentence = language["sentences"][line.sentence % len(language["sentences"])]
        voice = f"{language['voice']}+{voices[line.speaker]}"
        samples = espeak.say(sentence, voice, manner_of(line, language))
        at_rate = soxr.resample(samples.astype(np.float32), espeak.sample_rate, layout.sample_rate)
        samples = np.clip(np.rint(at_rate), -32768, 32767).astype(np.int16)
        if layout.stereo(line.path):
            delay = round(SECOND_MICROPHONE_DELAY * layout.sample_rate)
            samples = np.stack([samples, np.roll(samples, delay)], axis=1)
        yield line.path, as_wav(samples, layout.sample_rate)
    for path, text in layout.texts.items():
        yield path, text.encode()


def speaker_voices(layout: Layout) -> dict[str, str]:
    """A voice variant for every speaker, in turn among those of the speaker's gender."""
    genders = {line.speaker: line.gender for line in layout.lines}
    voices: dict[str, str] = {}
    for gender, variants in VARIANTS.items():
        speakers = sorted(speaker for speaker in genders if genders[speaker] == gender)
        voices |= {speaker: variants[i % len(variants)] for i, speaker in enumerate(speakers)}
    return voices


def manner_of(line: Line, language: dict) -> Manner:
    """The emotion's manner, shifted by the speaker's habit and blurred for this utterance."""
    habit = named_generator("habit", language["voice"], line.speaker).standard_normal(len(CARRIERS))
    chance = named_generator("manner", language["voice"], line.path).standard_normal(len(CARRIERS))
    values = {}
    for carrier, of_speaker, of_utterance in zip(CARRIERS, habit, chance, strict=True):
        value = language["emotions"][line.emotion][carrier]
        value += of_speaker * language["speakers"][carrier] + of_utterance * language["utterances"][carrier]
        values[carrier] = float(np.clip(value, *LIMITS[carrier]))
    return Manner(**values)
