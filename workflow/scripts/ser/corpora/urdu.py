"""URDU (Latif et al., FIT 2018): 400 utterances from talk shows, in one folder per emotion.

A file name is speaker (S, sex, number), file and emotion: `Angry/SM1_F10_A010.wav`.
"""

from collections import Counter
from pathlib import Path

from ser.archives import Archive
from ser.corpora import Contents, Recording, matching
from ser.errors import UserError
from ser.vocabulary import EMOTIONS as CLASSES

PATTERN = r"(?:^|/)(Angry|Happy|Neutral|Sad)/S([MF])(\d+)_F(\d+)_([AHNS])(\d+)\.wav$"
EMOTIONS = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}
PER_EMOTION = 100


def contents(archive: Archive, settings: dict) -> Contents:
    """All 400 recordings, 100 of each emotion. No checksums are published: `verify` compares counts.

    Raises `UserError` if a folder contradicts a file's name, or a count is wrong.
    """
    names, _ = archive.scan()
    recordings = []
    for name, match in matching(archive, names, "urdu").items():
        folder, sex, number, _file, letter, _ = match.groups()
        if not folder.startswith(letter):
            raise UserError(f"{archive.path}: {name} lies in a folder of another emotion than its name says")
        speaker = f"S{sex}{number}"
        gender = "male" if sex == "M" else "female"
        recordings.append(Recording(Path(name).stem, speaker, speaker, gender, EMOTIONS[letter], name))
    counts = Counter(recording.emotion for recording in recordings)
    if settings["verify"] != "none" and any(counts[emotion] != PER_EMOTION for emotion in CLASSES):
        raise UserError(
            f"{archive.path} does not hold the 100 files of each emotion of URDU, but"
            f" {', '.join(f'{counts[emotion]} {emotion}' for emotion in CLASSES)}."
            " Set `verify: none` for this corpus to use it all the same."
        )
    return Contents(recordings, {"level": settings["verify"], "files": len(recordings)})
