"""Single array that holds the audio of a corpus."""

import itertools
import os
from collections.abc import Iterable, Sequence

import numpy as np

from ser.core.files import atomic_write


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
