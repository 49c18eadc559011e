"""Reproducible archives, whose bytes depend only on their contents."""

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Iterable

import numpy as np
import soundfile

from ser.core.files import atomic_write


def write_archive(path: str | os.PathLike, members: Iterable[tuple[str, bytes]]) -> None:
    """Write a .zip or .tar.gz atomically, without times and owners."""
    members = list(members)
    with atomic_write(path) as temporary:
        if str(path).endswith(".zip"):
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for name, content in members:
                    archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
            return
        with open(temporary, "wb") as file, gzip.GzipFile("", "wb", 1, file, mtime=0) as compressed:
            with tarfile.open(fileobj=compressed, mode="w") as archive:
                for name, content in members:
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))


def as_wav(samples: np.ndarray, rate: int) -> bytes:
    """Encode int16 samples as WAV; shape (samples,) or (samples, channels)."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()
