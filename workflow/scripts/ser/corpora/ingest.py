"""Ingestion of a corpus archive: 16 kHz mono audio and a table of utterances."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ser.core.constants import SAMPLE_RATE
from ser.core.errors import UserError, listing
from ser.corpora.audio import decode, trim_silence
from ser.corpora.formats import Recording, open_corpus

SHOWN = 20  # maximum number of problems in a message


def ingest(path: str | os.PathLike, settings: dict) -> tuple[list[dict], Iterator[np.ndarray], dict]:
    """Read a corpus's four-class utterances, sorted by name.

    Returns the rows of `utterances.csv`, an iterator over one int16 waveform per row, and a description of the
    archive: its name, format, size and sha256 (None for a folder), a digest of the recordings that does not
    depend on how they are packed, and the verification of its contents. Decoded audio is kept in a temporary
    file, so memory does not grow with the corpus. With `trim_db` in the settings, leading and trailing silence is
    trimmed, which the verification's `notes` say.

    Raises `UserError` naming the files that cannot be used.
    """
    archive, contents = open_corpus(path, settings)
    trim_db = settings.get("trim_db")
    by_file = {recording.file: recording for recording in contents.recordings}
    decoded = tempfile.TemporaryFile()  # noqa: SIM115 (the iterator closes it)
    places, digests, problems = {}, {}, []
    for name, content in archive.read(by_file):
        digests[name] = hashlib.sha256(content).hexdigest()
        try:
            samples = decode(content, name)
            if trim_db is not None:
                samples = trim_silence(samples, trim_db)
        except UserError as error:
            problems.append(str(error))
        else:
            places[name] = (decoded.tell() // samples.itemsize, len(samples))
            decoded.write(samples.tobytes())
    if problems:
        shown = sorted(problems)[:SHOWN]
        shown += [f"and {len(problems) - SHOWN} more"] * (len(problems) > SHOWN)
        raise UserError(
            f"{path}: {len(problems)} recordings cannot be used. Replace them, or, in your own CSV, delete"
            " their rows:\n  " + "\n  ".join(shown)
        )
    if absent := sorted(by_file.keys() - digests.keys()):
        raise UserError(f"{path} changed while it was read: {listing(absent)} no longer exist. Run Snakemake again.")
    notes = list(contents.verification.get("notes", ()))
    if trim_db is not None:
        notes.append(f"leading and trailing silence trimmed ({trim_db:g} dB)")
    warnings = [*contents.verification["warnings"], *_contradictory_labels(contents.recordings, digests)]
    rows, start = [], 0
    for recording in contents.recordings:
        _, samples = places[recording.file]
        rows.append(
            {
                "utterance": recording.utterance,
                "speaker": recording.speaker,
                "group": recording.group,
                "gender": recording.gender,
                "emotion": recording.emotion,
                "seconds": f"{samples / SAMPLE_RATE:.4f}",
                "start": start,
                "samples": samples,
                "file": recording.file,
            }
        )
        start += samples
    about = {
        "archive": Path(path).name,
        "format": settings["format"],
        "bytes": None if Path(path).is_dir() else Path(path).stat().st_size,
        "sha256": archive.sha256(),
        "recordings_sha256": hashlib.sha256("".join(sorted(digests.values())).encode()).hexdigest(),
        "verification": contents.verification | {"warnings": warnings, "notes": notes},
    }
    return rows, _read_waveforms(decoded, [places[row["file"]] for row in rows]), about


def _contradictory_labels(recordings: list[Recording], digests: dict[str, str]) -> list[str]:
    """Return a warning if files with the same bytes are labelled with different emotions."""
    same: dict[str, list[Recording]] = {}
    for recording in recordings:
        same.setdefault(digests[recording.file], []).append(recording)
    several = [found for found in same.values() if len({recording.emotion for recording in found}) > 1]
    named = [" and ".join(f"{recording.utterance} ({recording.emotion})" for recording in found) for found in several]
    return [f"{len(named)} recordings are labelled with more than one emotion: {listing(named)}"] * bool(named)


def _read_waveforms(decoded, places: list[tuple[int, int]]) -> Iterator[np.ndarray]:
    with decoded:
        decoded.flush()
        samples = np.memmap(decoded, np.int16, mode="r")
        for start, length in places:
            yield samples[start : start + length]
