"""Waveforms: decoding, and the one array a corpus's audio is kept in."""

import io
import os
from collections.abc import Iterable

import numpy as np
import soundfile
import soxr

from ser.errors import UserError
from ser.files import written_whole
from ser.vocabulary import SAMPLE_RATE

SHORTEST = 400  # samples: one 25 ms window, less than which no front end makes a frame


def decode(content: bytes, name: str) -> np.ndarray:
    """Decode any format that libsndfile reads to 16 kHz mono.

    Takes the first channel (EMOVO's two are different microphones, so their mean would comb-filter)
    and resamples with soxr's HQ filter, librosa's default.

    Returns int16 of shape (samples,). Raises `UserError`, naming the file, if it cannot be decoded,
    or is empty, silent, not finite, or shorter than 25 ms.
    """
    try:
        waveform, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise UserError(f"{name} cannot be read as audio ({error}): the archive is damaged, fetch it again") from error
    waveform = waveform[:, 0]
    if not waveform.size:
        raise UserError(f"{name} holds no audio: the archive is damaged, fetch it again")
    if not np.isfinite(waveform).all():
        raise UserError(f"{name} holds samples that are not finite numbers")
    if rate != SAMPLE_RATE:
        waveform = soxr.resample(waveform, rate, SAMPLE_RATE, quality="HQ")
    if len(waveform) < SHORTEST:
        raise UserError(f"{name} is only {len(waveform) / SAMPLE_RATE * 1000:.0f} ms long; at least 25 ms are needed")
    samples = np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)
    if not samples.any():
        raise UserError(f"{name} is silent from start to end")
    return samples


def write_audio(path: str | os.PathLike, waveforms: Iterable[np.ndarray]) -> None:
    """Write int16 waveforms end to end as one .npy of shape (all samples,), whole or not at all."""
    with written_whole(path) as temporary:
        np.save(temporary, np.concatenate(list(waveforms)))


def open_audio(path: str | os.PathLike) -> np.ndarray:
    """Memory-map a corpus's audio: int16 of shape (all samples,)."""
    return np.load(path, mmap_mode="r")


def as_float(samples: np.ndarray) -> np.ndarray:
    """int16 samples as float32 in [-1, 1)."""
    return samples.astype(np.float32) / 32768.0
