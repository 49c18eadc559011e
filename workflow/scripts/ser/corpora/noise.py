"""Noisy test conditions: DEMAND recordings mixed into speech at a given signal-to-noise ratio."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser.core.constants import FULL_SCALE
from ser.core.errors import UserError
from ser.core.seeding import named_generator, named_seed
from ser.corpora.archives import Archive
from ser.corpora.audio import decode

TOLERANCE = 0.01  # dB between the ratio asked and the one measured on what is written


@dataclass(frozen=True)
class Mixture:
    """Noisy speech as written, and how it came about."""

    samples: np.ndarray  # int16, shape (samples,)
    offset: int  # first sample of the noise recording that was used
    snr_db: float  # measured on `samples`
    gain: float  # factor on the speech: less than 1 where the mixture would have clipped


def read_environment(path, environment: str) -> np.ndarray:
    """First channel of a DEMAND environment (Thiemann et al., 2013): `<ENV>/ch01.wav`, zipped or not.

    Returns int16 of shape (samples,). Raises `UserError` if the archive does not hold it.
    """
    if str(path).endswith(".wav"):
        return decode(Path(path).read_bytes(), str(path))
    archive = Archive(path)
    _, found = archive.scan(lambda name: re.search(rf"(?:^|/){environment}/ch01\.wav$", name) is not None)
    if not found:
        raise UserError(f"{path} is no archive of DEMAND's {environment}: it holds no {environment}/ch01.wav")
    name, content = next(iter(found.items()))
    return decode(content, f"{path}: {name}")


def choose_environments(rows: Sequence[dict], environments: Sequence[str]) -> dict[str, str]:
    """An environment for every utterance of a corpus: each as often as any other, in every emotion too.

    The utterances take turns in an order that seeds of their names give, whatever the order of the rows.
    """
    in_turn = sorted(rows, key=lambda row: (row["emotion"], named_seed("environment", row["utterance"])))
    return {row["utterance"]: environments[turn % len(environments)] for turn, row in enumerate(in_turn)}


def mix_at_snr(utterance: str, speech: np.ndarray, noise: np.ndarray, snr_db: float) -> Mixture:
    """Mix one utterance with a stretch of noise that a seed of the utterance's name draws.

    The ratio is that of the mean squares over the whole utterance, measured against what rounding to
    int16 leaves: the noise's gain is corrected until the written file has it.

    Args:
        speech: int16, shape (samples,).
        noise: int16, shape (samples,); repeated if it is shorter than the speech.

    Raises `UserError` if the noise is silent there, or the speech too quiet to have that ratio in 16 bits.
    """
    generator = named_generator("noise", utterance)
    offset = int(generator.integers(max(1, len(noise) - len(speech) + 1)))
    segment = np.resize(noise[offset:], len(speech)).astype(np.float64)
    clean = speech.astype(np.float64)
    speech_power, noise_power = np.mean(clean**2), np.mean(segment**2)
    if noise_power == 0:
        raise UserError(f"the noise is silent from sample {offset} on, where utterance {utterance} would use it")

    noise_gain = math.sqrt(speech_power / noise_power / 10 ** (snr_db / 10))
    for _ in range(8):
        mixture = clean + noise_gain * segment
        gain = min(1.0, FULL_SCALE / np.abs(mixture).max())
        samples = np.rint(gain * mixture).astype(np.int16)
        measured = measured_snr(samples, speech, gain)
        if abs(measured - snr_db) < 1e-4 or math.isinf(measured):
            break
        noise_gain *= 10 ** ((measured - snr_db) / 20)
    if abs(measured - snr_db) > TOLERANCE:
        raise UserError(
            f"utterance {utterance} is too quiet for a signal-to-noise ratio of {snr_db} dB: rounding to 16 bits alone"
            f" leaves {measured:.2f} dB. Ask for a lower `snr_db`, or leave the corpus out of this condition."
        )
    return Mixture(samples, offset, measured, gain)


def measured_snr(mixture: np.ndarray, speech: np.ndarray, gain: float) -> float:
    """SNR in dB of a mixture that holds `gain * speech`: everything else in it is noise, if anything is."""
    clean = gain * speech.astype(np.float64)
    noise = mixture.astype(np.float64) - clean
    power = np.mean(noise**2)
    return 10 * math.log10(np.mean(clean**2) / power) if power else math.inf
