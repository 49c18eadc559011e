"""Waveforms: decoding, and the one array a corpus's audio is kept in."""

import io
import itertools
import os
import struct
from collections.abc import Iterable, Sequence

import numpy as np
import soundfile
import soxr

from ser.errors import UserError
from ser.files import written_whole
from ser.vocabulary import SAMPLE_RATE

SHORTEST = 400  # samples: one 25 ms window, less than which no front end makes a frame
CUT_ALLOWED = 0.01  # seconds of a recording that may be missing behind its end
UNKNOWN_LENGTH = 0x7FFFFF00  # sizes from here on stand for "not known yet" in headers of streams


def decode(content: bytes, name: str) -> np.ndarray:
    """Decode any format that libsndfile reads to 16 kHz mono.

    Takes the first channel (EMOVO's two are different microphones, so their mean would comb-filter)
    and resamples with soxr's HQ filter, librosa's default.

    Returns int16 of shape (samples,). Raises `UserError`, naming the file, if it cannot be decoded,
    is cut short, empty, silent, not finite, or shorter than 25 ms.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate, frames = file.samplerate, file.frames
            waveform = file.read(dtype="float32", always_2d=True)[:, 0]
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise UserError(f"{name} cannot be read as audio ({error}): it is damaged, or of an unknown format") from error
    missing = max((frames - len(waveform)) / rate, seconds_cut_off(content))
    if missing > CUT_ALLOWED:
        raise UserError(f"{name} is cut short: by its header it is {missing:.1f} s longer")
    if not waveform.size:
        raise UserError(f"{name} holds no audio")
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


def seconds_cut_off(wav: bytes) -> float:
    """Seconds that a WAV file's header promises beyond its end, which libsndfile passes over; 0 for other formats.

    A header written before its length was known promises nothing.
    """
    position, bytes_per_second = 12, 0
    if wav[:4] != b"RIFF" or wav[8:12] != b"WAVE":
        return 0.0
    while position + 8 <= len(wav):
        kind, size = struct.unpack_from("<4sI", wav, position)
        position += 8
        if kind == b"fmt " and position + 12 <= len(wav):
            (bytes_per_second,) = struct.unpack_from("<I", wav, position + 8)
        if kind == b"data":
            known = size < UNKNOWN_LENGTH and bytes_per_second
            return max(0, position + size - len(wav)) / bytes_per_second if known else 0.0
        position += size + size % 2
    return 0.0


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
