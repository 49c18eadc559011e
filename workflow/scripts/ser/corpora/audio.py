"""Waveforms: decoding, and the one array a corpus's audio is kept in."""

import io
import itertools
import os
import re
from collections.abc import Iterable, Sequence

import numpy as np
import soundfile
import soxr

from ser.core.constants import SAMPLE_RATE
from ser.core.errors import UserError
from ser.core.files import written_whole

SHORTEST = 400  # samples: one 25 ms window, less than which no front end makes a frame
CUT_ALLOWED = 0.01  # seconds of a recording that may be missing behind its end
LEAST_RATE, MOST_RATE = 4_000, 768_000  # samples a second
MOST_OVERSHOOT = 2.0  # of floating-point samples, which are clipped at 1; beyond this they are in other units
BLOCK = 1 << 20  # samples decoded at once
UNKNOWN_FRAMES = 1 << 36  # of a recording whose header does not know its length
UNKNOWN_LENGTH = 0x7FFFFF00  # sizes from here on stand for "not known yet" in headers of streams
DATA_SIZE = re.compile(r"(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)")


def decode(content: bytes, name: str) -> np.ndarray:
    """Decode any format that libsndfile reads to 16 kHz mono.

    Takes the first channel (EMOVO's two are different microphones, so their mean would comb-filter)
    and resamples with soxr's HQ filter, librosa's default.

    Returns int16 of shape (samples,). Raises `UserError`, naming the file, if it cannot be decoded,
    is cut short, empty, silent, not finite, or shorter than 25 ms.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate, frames, floating = file.samplerate, file.frames, file.subtype in ("FLOAT", "DOUBLE")
            report = file.extra_info
            blocks = [np.zeros(0, np.float32)]
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):  # whatever length a header knows
                blocks.append(block[:, 0])
        waveform = np.concatenate(blocks)
    except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError) as error:
        raise UserError(f"{name} cannot be read as audio ({error}): it is damaged, or of an unknown format") from error
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise UserError(f"{name} has {rate} samples a second by its header, which is no speech: it is damaged")
    promised = frames if frames < UNKNOWN_FRAMES else 0
    missing = max((promised - len(waveform)) / rate, _seconds_cut_off(report, len(waveform) / rate))
    if missing > CUT_ALLOWED:
        raise UserError(f"{name} is cut short: by its header it is {missing:.1f} s longer")
    if not waveform.size:
        raise UserError(f"{name} holds no audio")
    if not np.isfinite(waveform).all():
        raise UserError(f"{name} holds samples that are not finite numbers")
    if floating and (peak := np.abs(waveform).max()) > MOST_OVERSHOOT:
        raise UserError(f"{name} holds samples up to {peak:.3g}: floating-point audio lies between -1 and 1")
    if rate != SAMPLE_RATE:
        waveform = soxr.resample(waveform, rate, SAMPLE_RATE, quality="HQ")
    if len(waveform) < SHORTEST:
        raise UserError(f"{name} is only {len(waveform) / SAMPLE_RATE * 1000:.0f} ms long; at least 25 ms are needed")
    samples = np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)
    if not samples.any():
        raise UserError(f"{name} is silent from start to end")
    return samples


def _seconds_cut_off(report: str, seconds: float) -> float:
    """Return the seconds that a header promises beyond the end of a file, which libsndfile passes over.

    Args:
        report: libsndfile's own notes on a file: `data : 32000 (should be 15978)` of one that is cut short. The sizes
            of streams whose length was not known when their header was written are not a promise.
        seconds: decoded.
    """
    found = DATA_SIZE.search(report)
    promised, present = map(int, found.groups()) if found else (0, 0)
    if present >= promised or promised >= UNKNOWN_LENGTH:
        return 0.0
    return seconds * (promised - present) / max(1, present)


def write_array(path: str | os.PathLike, pieces: Iterable[np.ndarray], length: int) -> None:
    """Write arrays end to end as one .npy of `length` rows, whole or not at all, one piece in memory at a time.

    Raises `ValueError` if the pieces do not add up to `length`.
    """
    pieces, written = iter(pieces), 0
    first = next(pieces)
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        shape = (length, *first.shape[1:])
        header = {"descr": np.lib.format.dtype_to_descr(first.dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for piece in itertools.chain([first], pieces):
            file.write(np.ascontiguousarray(piece, first.dtype).data)
            written += len(piece)
        if written != length:
            raise ValueError(f"{written} rows were written, not {length}")


def open_audio(path: str | os.PathLike) -> np.ndarray:
    """Memory-map a corpus's audio: int16 of shape (all samples,)."""
    return np.load(path, mmap_mode="r")


def waveforms_of(rows: Sequence[dict], audio: np.ndarray) -> list[np.ndarray]:
    """Each row's part of a corpus's audio: views of shape (samples,)."""
    return [audio[int(row["start"]) : int(row["start"]) + int(row["samples"])] for row in rows]


def as_float(samples: np.ndarray) -> np.ndarray:
    """int16 samples as float32 in [-1, 1)."""
    return samples.astype(np.float32) / 32768.0
