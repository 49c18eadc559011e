"""URDU (Latif et al., FIT 2018): 400 utterances from talk shows.

There is one folder per emotion. A file name is speaker (S, sex, number), file and emotion:
`Angry/SM1_F10_A010.wav`.
"""

from collections import Counter
from pathlib import Path

from ser.core.constants import EMOTIONS as CLASSES
from ser.core.errors import UserError, listing
from ser.corpora.archives import Archive
from ser.corpora.formats import (
    Contents,
    Recording,
    altered_files,
    match_audio_files,
    published_files,
    unknown_file_warnings,
)

PATTERN = r"(?:^|/)(Angry|Happy|Neutral|Sad)/S([MF])(\d+)_F(\d+)_([AHNS])(\d+)\.wav$"
CHECKSUMS = "resources/urdu-sha256.tsv"
EMOTIONS = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}
PER_EMOTION = 100


def contents(archive: Archive, settings: dict) -> Contents:
    """Return all 400 recordings, 100 of each emotion.

    `verify: sha256` requires the files of the pinned commit byte for byte; `names` requires the counts and notes
    other differences. Raises `UserError` if a folder and a file name differ in their emotion, or a count is wrong.
    """
    names, _ = archive.scan()
    found = match_audio_files(archive, names, "urdu")
    recordings = []
    for name, match in found.items():
        folder, sex, number, _file, letter, _ = match.groups()
        if not folder.startswith(letter):
            raise UserError(
                f"{archive.path}: {name} is in the folder of another emotion than its file name says."
                " Correct the copy, or download the corpus again."
            )
        speaker = f"S{sex}{number}"
        gender = "male" if sex == "M" else "female"
        recordings.append(Recording(Path(name).stem, speaker, speaker, gender, EMOTIONS[letter], name))
    verification = {"level": settings["verify"], "warnings": unknown_file_warnings(names, found)}
    if settings["verify"] != "none":
        published = published_files("urdu")
        _check_counts(archive, recordings, published)
        altered = altered_files(archive, found, published, settings["verify"])
        verification |= {"files": len(found), "altered": len(altered)}
        verification["notes"] = ["altered audio, not comparable"] if altered else []
    return Contents(recordings, verification)


def _check_counts(archive: Archive, recordings: list[Recording], published: dict) -> None:
    """Raise `UserError` unless there are 100 recordings of each emotion."""
    counts = Counter(recording.emotion for recording in recordings)
    if all(counts[emotion] == PER_EMOTION for emotion in CLASSES):
        return
    names = {Path(recording.file).name for recording in recordings}
    missing, unknown = sorted(published.keys() - names), sorted(names - published.keys())
    raise UserError(
        f"{archive.path} does not contain URDU's 100 files of each emotion, but"
        f" {', '.join(f'{counts[emotion]} {emotion}' for emotion in CLASSES)}"
        + (f"; missing: {listing(missing)}" if missing else "")
        + (f"; unknown: {listing(unknown)}" if unknown else "")
        + ". To use it anyway, set `verify: none` for this corpus."
    )
