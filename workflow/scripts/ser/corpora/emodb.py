"""EMODB, the Berlin Database of Emotional Speech (Burkhardt et al., Interspeech 2005), version 1.

A file name is speaker, sentence, emotion (the first letter of its German name) and take:
`03a01Wa.wav`. A is fear (Angst) and F is happiness (Freude).
"""

import csv
import hashlib
import io
from pathlib import Path

import soundfile

from ser.archives import Archive
from ser.corpora import Contents, Recording, check_names, matching
from ser.errors import UserError, listing

PATTERN = r"(?:^|/)(03|08|09|1[0-6])(a01|a02|a04|a05|a07|b01|b02|b03|b09|b10)([WLEAFTN])([a-f])\.wav$"
EMOTIONS = {"W": "angry", "F": "happy", "N": "neutral", "T": "sad"}
MEN = {"03", "10", "11", "12", "15"}
FILES = Path(__file__).resolve().parents[4] / "resources" / "emodb-v1-sha256.tsv"
FILES_OF_VERSION_2 = 816


def published_files() -> dict[str, dict]:
    """Name -> {bytes, sha256} of the 535 files as published."""
    with open(FILES, newline="", encoding="utf-8") as file:
        return {row.pop("file"): row for row in csv.DictReader(file, delimiter="\t")}


def contents(archive: Archive, settings: dict) -> Contents:
    """The four-class recordings: 420 with `boredom: sad`, 339 with `boredom: drop`.

    `verify: sha256` demands the published files byte for byte, `names` their names, `none` nothing.
    """
    names, _ = archive.scan()
    found = matching(archive, names, "emodb")
    if len(found) == FILES_OF_VERSION_2:
        raise UserError(
            f"{archive.path} is version 2 of EMODB (816 files), which is another corpus than the one of the paper."
            " Use version 1 (535 files)."
        )
    verification = {"level": settings["verify"]}
    if settings["verify"] != "none":
        verification |= _verify(archive, {name: Path(name).name for name in found}, settings["verify"])
    labels = EMOTIONS | ({"L": "sad"} if settings["boredom"] == "sad" else {})
    recordings = []
    for name, match in found.items():
        speaker, _sentence, letter, _take = match.groups()
        if letter in labels:
            gender = "male" if speaker in MEN else "female"
            recordings.append(Recording(Path(name).stem, speaker, speaker, gender, labels[letter], name))
    return Contents(recordings, verification)


def _verify(archive: Archive, files: dict[str, str], level: str) -> dict:
    """Compare names and bytes with the published ones; say which files were altered, and how."""
    published = published_files()
    check_names(archive, "EMODB version 1", set(published), set(files.values()))
    altered, shorter = [], 0
    for member, content in archive.read(files):
        known = published[files[member]]
        if hashlib.sha256(content).hexdigest() != known["sha256"]:
            altered.append(files[member])
            shorter += (
                len(content) < 0.9 * int(known["bytes"]) or _seconds(content) < 0.9 * int(known["bytes"]) / 32_000
            )
    if altered and level == "sha256":
        raise UserError(
            f"{archive.path}: {len(altered)} of {len(files)} files are not the published recordings (sha256 differs):"
            f" {listing(sorted(altered))}. Fetch the original archive, or set `verify: names` for this corpus to"
            " accept altered audio; the tables will then say so."
        )
    note = ""
    if altered:
        note = f"altered {'excerpts' if shorter > len(altered) / 2 else 'audio'}, not comparable"
    return {"files": len(files), "altered": len(altered), "note": note}


def _seconds(content: bytes) -> float:
    try:
        return soundfile.info(io.BytesIO(content)).duration
    except soundfile.LibsndfileError:
        return 0.0
