"""Noisy test conditions: speech mixed with DEMAND noise at a given SNR."""

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

TOLERANCE = 0.01  # dB between the requested ratio and the one measured on the written samples


@dataclass(frozen=True)
class Mixture:
    """Noisy speech as written, with its mixing parameters."""

    samples: np.ndarray  # int16, shape (samples,)
    offset: int  # first sample used of the noise recording
    snr_db: float  # measured on `samples`
    gain: float  # factor on the speech, less than 1 if the mixture would clip otherwise


def read_environment(path, environment: str) -> np.ndarray:
    """Read the first channel of a DEMAND environment (Thiemann et al., 2013).

    The path is the environment's archive, with `<ENV>/ch01.wav`, or that WAV file itself. Returns int16 of shape
    (samples,). Raises `UserError` if the archive does not contain it.
    """
    if str(path).endswith(".wav"):
        return decode(Path(path).read_bytes(), str(path))
    archive = Archive(path)
    _, found = archive.scan(lambda name: re.search(rf"(?:^|/){environment}/ch01\.wav$", name) is not None)
    if not found:
        raise UserError(
            f"{path} is not DEMAND's archive of {environment}: it does not contain {environment}/ch01.wav. Correct the"
            " path, or download it again."
        )
    name, content = next(iter(found.items()))
    return decode(content, f"{path}: {name}")


def choose_environments(rows: Sequence[dict], environments: Sequence[str]) -> dict[str, str]:
    """Return an environment for each utterance.

    Each environment is used equally often, overall and within each emotion. Utterances are assigned in an order
    seeded by their names, so the order of the rows does not matter.
    """
    ordered = sorted(rows, key=lambda row: (row["emotion"], named_seed("environment", row["utterance"])))
    return {row["utterance"]: environments[turn % len(environments)] for turn, row in enumerate(ordered)}


def mix_at_snr(utterance: str, speech: np.ndarray, noise: np.ndarray, snr_db: float) -> Mixture:
    """Mix one utterance with a random segment of noise.

    The segment is drawn with a seed from the utterance's name. The SNR is the ratio of the variances over the whole
    utterance and the whole band: a constant offset is no speech and no noise. The noise gain is corrected until the
    int16 samples, after rounding, have the requested SNR.

    Args:
        speech: int16, shape (samples,).
        noise: int16, shape (samples,); repeated if it is shorter than the speech.

    Raises `UserError` if the noise segment is silent, or the speech is too quiet for that SNR in 16 bits.
    """
    generator = named_generator("noise", utterance)
    offset = int(generator.integers(max(1, len(noise) - len(speech) + 1)))
    segment = np.resize(noise[offset:], len(speech)).astype(np.float64)
    segment -= segment.mean()
    clean = speech.astype(np.float64)
    speech_power, noise_power = np.var(clean), np.var(segment)
    if noise_power == 0:
        raise UserError(
            f"the noise is silent from sample {offset} on, in the segment for utterance {utterance}. Choose other"
            " `environments` for this condition."
        )

    noise_gain = math.sqrt(speech_power / noise_power / 10 ** (snr_db / 10))
    dither = 0.0
    for attempt in range(16):
        mixture = clean + noise_gain * segment
        gain = min(1.0, FULL_SCALE / np.abs(mixture).max())
        samples = np.clip(np.rint(gain * mixture + dither), -FULL_SCALE, FULL_SCALE).astype(np.int16)
        measured = measured_snr(samples, speech, gain)
        if abs(measured - snr_db) < 1e-4 or math.isinf(measured):
            break
        if attempt == 8:  # quiet noise with a gain near 1 is rounded alike everywhere, and the ratio jumps
            dither = generator.uniform(-0.5, 0.5, len(speech))
        noise_gain *= 10 ** ((measured - snr_db) / 20)
    if abs(measured - snr_db) > TOLERANCE:
        raise UserError(
            f"utterance {utterance} is too quiet for a signal-to-noise ratio of {snr_db} dB: rounding to 16 bits alone"
            f" gives {measured:.2f} dB. Set a lower `snr_db`, or leave the corpus out of this condition."
        )
    return Mixture(samples, offset, measured, gain)


def measured_snr(mixture: np.ndarray, speech: np.ndarray, gain: float) -> float:
    """Return the SNR in dB, with all but `gain * speech` as noise; may be infinite."""
    clean = gain * speech.astype(np.float64)
    noise = mixture.astype(np.float64) - clean
    power = np.var(noise)
    return 10 * math.log10(np.var(clean) / power) if power else math.inf
