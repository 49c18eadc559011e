"""From a published archive to 16 kHz mono audio and a table of utterances."""

import os
from pathlib import Path

import numpy as np

from ser.archives import Archive
from ser.audio import decode
from ser.corpora import read_contents
from ser.errors import UserError
from ser.files import sha256
from ser.vocabulary import SAMPLE_RATE


def ingest(path: str | os.PathLike, settings: dict) -> tuple[list[dict], list[np.ndarray], dict]:
    """Read a corpus's four-class utterances, sorted by name.

    Returns the rows of `utterances.csv`, one int16 waveform per row, and what is known of the
    archive: its bytes, sha256 (a folder has none) and how its contents were verified.
    """
    archive = Archive(path)
    contents = read_contents(archive, settings["format"], settings)
    by_file = {recording.file: recording for recording in contents.recordings}
    waveforms = {by_file[name].utterance: decode(content, f"{path}: {name}") for name, content in archive.read(by_file)}
    if absent := [recording.file for recording in contents.recordings if recording.utterance not in waveforms]:
        raise UserError(f"{path} changed while it was read: {absent[0]} is gone")
    rows, start = [], 0
    for recording in contents.recordings:
        samples = len(waveforms[recording.utterance])
        rows.append(
            {
                "utterance": recording.utterance,
                "speaker": recording.speaker,
                "group": recording.group,
                "gender": recording.gender,
                "language": settings["language"],
                "emotion": recording.emotion,
                "seconds": f"{samples / SAMPLE_RATE:.4f}",
                "start": start,
                "samples": samples,
                "file": recording.file,
            }
        )
        start += samples
    about = {"archive": Path(path).name, "format": settings["format"], **_size_and_digest(Path(path))}
    return rows, [waveforms[row["utterance"]] for row in rows], about | {"verification": contents.verification}


def _size_and_digest(path: Path) -> dict:
    if path.is_dir():
        return {"bytes": None, "sha256": None}
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}
