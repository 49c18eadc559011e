"""Audio decoding, and the single array that holds the audio of a corpus."""

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
from ser.core.files import atomic_write

SHORTEST = 400  # samples: one 25 ms window, the shortest input from which any feature extractor makes a frame
MAX_MISSING = 0.01  # seconds that may be missing at the end of a recording
MIN_RATE, MAX_RATE = 4_000, 768_000  # Hz
MAX_PEAK = 2.0  # of floating-point samples, which are clipped at 1; larger values are not in the range -1 to 1
BLOCK = 1 << 20  # frames decoded at once
UNKNOWN_FRAMES = 1 << 36  # frame counts from here on mean that the header has no length
UNKNOWN_LENGTH = 0x7FFFFF00  # sizes from here on mean "unknown" in the headers of streams
DATA_SIZE = re.compile(r"(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)")


def decode(content: bytes, name: str) -> np.ndarray:
    """Decode any format that libsndfile reads to 16 kHz mono.

    Takes the first channel, since the mean of EMOVO's two microphones would comb-filter, and resamples with
    soxr's HQ filter, librosa's default.

    Returns int16 of shape (samples,). Raises `UserError`, naming the file, if it cannot be decoded, is cut
    short, empty, silent or shorter than 25 ms, contains NaN or infinity, or is far beyond full scale.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate, frames, floating = file.samplerate, file.frames, file.subtype in ("FLOAT", "DOUBLE")
            report = file.extra_info
            blocks = [np.zeros(0, np.float32)]
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):  # headers may have a wrong length
                blocks.append(block[:, 0])
        waveform = np.concatenate(blocks)
    except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError) as error:
        raise UserError(f"{name} cannot be read as audio ({error}): it is damaged or in an unknown format") from error
    if not MIN_RATE <= rate <= MAX_RATE:
        raise UserError(f"{name} has a sample rate of {rate} Hz in its header: it is damaged")
    expected = frames if frames < UNKNOWN_FRAMES else 0
    missing = max((expected - len(waveform)) / rate, _missing_seconds(report, len(waveform) / rate))
    if missing > MAX_MISSING:
        raise UserError(f"{name} is cut short: it is {missing:.1f} s shorter than its header says")
    if not waveform.size:
        raise UserError(f"{name} contains no audio")
    if not np.isfinite(waveform).all():
        raise UserError(f"{name} contains samples that are NaN or infinite")
    if floating and (peak := np.abs(waveform).max()) > MAX_PEAK:
        raise UserError(f"{name} contains samples up to {peak:.3g}: floating-point audio must lie between -1 and 1")
    if rate != SAMPLE_RATE:
        waveform = soxr.resample(waveform, rate, SAMPLE_RATE, quality="HQ")
    if len(waveform) < SHORTEST:
        raise UserError(f"{name} is only {len(waveform) / SAMPLE_RATE * 1000:.0f} ms long; at least 25 ms are needed")
    samples = np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)
    if not samples.any():
        raise UserError(f"{name} is silent from start to end")
    return samples


def _missing_seconds(report: str, seconds: float) -> float:
    """Return how many seconds are missing according to the header.

    libsndfile only logs this. Placeholder sizes, as in streams, do not count.

    Args:
        report: libsndfile's log of the file, with `data : 32000 (should be 15978)` if it is cut short.
        seconds: decoded duration.
    """
    found = DATA_SIZE.search(report)
    expected, present = map(int, found.groups()) if found else (0, 0)
    if present >= expected or expected >= UNKNOWN_LENGTH:
        return 0.0
    return seconds * (expected - present) / max(1, present)


def write_array(path: str | os.PathLike, pieces: Iterable[np.ndarray], length: int) -> None:
    """Write arrays end to end as one .npy of `length` rows, atomically.

    Only one piece is in memory at a time.

    Raises `ValueError` if the pieces do not add up to `length`.
    """
    pieces, written = iter(pieces), 0
    first = next(pieces)
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
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
    """Return the waveform of each row as a view of shape (samples,)."""
    return [audio[int(row["start"]) : int(row["start"]) + int(row["samples"])] for row in rows]


def as_float(samples: np.ndarray) -> np.ndarray:
    """Convert int16 samples to float32 in [-1, 1)."""
    return samples.astype(np.float32) / 32768.0
