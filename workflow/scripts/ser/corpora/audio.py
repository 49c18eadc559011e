"""Waveforms: decoding, and the one array a corpus's audio is kept in."""

import io
import itertools
import os
import struct
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import soundfile
import soxr

from ser.core.constants import SAMPLE_RATE
from ser.core.errors import UserError
from ser.core.files import check_length, written_whole

SHORTEST = 400  # samples: one 25 ms window, less than which no front end makes a frame
CUT_ALLOWED = 0.01  # seconds of a recording that may be missing behind its end
LEAST_RATE, MOST_RATE = 4_000, 768_000  # samples a second
MOST_OVERSHOOT = 2.0  # of floating-point samples, which are clipped at 1; beyond this they are in other units
BLOCK = 1 << 20  # samples decoded at once
UNKNOWN_FRAMES = 1 << 36  # of a recording whose header does not know its length
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
            rate, frames, floating = file.samplerate, file.frames, file.subtype in ("FLOAT", "DOUBLE")
            blocks = [np.zeros(0, np.float32)]
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):  # whatever length a header knows
                blocks.append(block[:, 0])
        waveform = np.concatenate(blocks)
    except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError) as error:
        raise UserError(f"{name} cannot be read as audio ({error}): it is damaged, or of an unknown format") from error
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise UserError(f"{name} has {rate} samples a second by its header, which is no speech: it is damaged")
    promised = frames if frames < UNKNOWN_FRAMES else 0
    missing = max((promised - len(waveform)) / rate, seconds_cut_off(content))
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


def seconds_cut_off(content: bytes) -> float:
    """Seconds that a header promises beyond a file's end, which libsndfile passes over.

    Of WAV (RIFF, RIFX, RF64) and AIFF; 0 for other formats. A header from before the length was known promises nothing.
    """
    kind, form = content[:4], content[8:12]
    if kind in (b"RIFF", b"RIFX", b"RF64") and form == b"WAVE":
        return _cut_off_wav(content, ">" if kind == b"RIFX" else "<")
    if kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        return _cut_off_aiff(content)
    return 0.0


def _cut_off_wav(content: bytes, order: str) -> float:
    bytes_per_second, long_size = 0, None
    for name, start, size in _chunks(content, order):
        if name == b"ds64":
            (long_size,) = struct.unpack_from(f"{order}Q", content, start + 8)
        if name == b"fmt ":
            (rate,) = struct.unpack_from(f"{order}I", content, start + 4)
            said, block = struct.unpack_from(f"{order}IH", content, start + 8)
            bytes_per_second = said or rate * block
        if name == b"data":
            size = long_size if size >= UNKNOWN_LENGTH and long_size else size
            known = size < UNKNOWN_LENGTH and bytes_per_second
            return max(0, start + size - len(content)) / bytes_per_second if known else 0.0
    return 0.0


def _cut_off_aiff(content: bytes) -> float:
    seconds = 0.0
    for name, start, size in _chunks(content, ">"):
        if name == b"COMM":
            (frames,) = struct.unpack_from(">I", content, start + 2)
            exponent, mantissa = struct.unpack_from(">HQ", content, start + 8)  # the rate, an 80-bit float
            seconds = frames / (mantissa * 2.0 ** (exponent - 16383 - 63))
        if name == b"SSND" and size > 8:
            return seconds * max(0, start + size - len(content)) / (size - 8)
    return 0.0


def _chunks(content: bytes, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and size of the chunks that a file of this kind consists of."""
    position = 12
    while position + 8 <= len(content):
        name, size = struct.unpack_from(f"{order}4sI", content, position)
        if position + 24 <= len(content) or name not in (b"fmt ", b"ds64", b"COMM"):
            yield name, position + 8, size
        position += 8 + size + size % 2


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


def open_audio(path: str | os.PathLike, rows: Sequence[dict]) -> np.ndarray:
    """Memory-map a corpus's audio: int16 of shape (all samples,).

    Args:
        rows: all of the corpus. Raises `UserError` if they describe more audio than there is, or less.
    """
    audio = np.load(path, mmap_mode="r")
    check_length(path, len(audio), sum(int(row["samples"]) for row in rows))
    return audio


def waveforms_of(rows: Sequence[dict], audio: np.ndarray) -> list[np.ndarray]:
    """Each row's part of a corpus's audio: views of shape (samples,)."""
    return [audio[int(row["start"]) : int(row["start"]) + int(row["samples"])] for row in rows]


def as_float(samples: np.ndarray) -> np.ndarray:
    """int16 samples as float32 in [-1, 1)."""
    return samples.astype(np.float32) / 32768.0
