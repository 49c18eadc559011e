"""RAVDESS, acted English speech (Livingstone and Russo, PLOS ONE 2018).

A file name is modality, channel, emotion, intensity, statement, repetition and actor:
`Actor_01/03-01-05-02-01-01-01.wav`. Calm (02) is distinct from neutral (01) and not among the four classes.
Neutral has only one intensity, so it has half as many utterances as the others.
"""

from pathlib import Path

from ser.core.errors import UserError
from ser.corpora.archives import Archive
from ser.corpora.formats import Contents, Recording, check_names, match_audio_files, unknown_file_warnings

PATTERN = r"(?:(?:^|/)Actor_(\d\d)/|^|/)03-01-(0[1-8])-0[12]-0[12]-0[12]-(\d\d)\.wav$"
EMOTIONS = {"05": "angry", "03": "happy", "01": "neutral", "04": "sad"}
ACTORS = [f"{actor:02d}" for actor in range(1, 25)]


def published_names() -> set[str]:
    """Return the 1440 file names.

    There are 24 actors, 8 emotions, 2 intensities (1 for neutral), 2 statements and 2 repetitions.
    """
    return {
        f"03-01-{emotion:02d}-{intensity}-{statement}-{repetition}-{actor}.wav"
        for emotion in range(1, 9)
        for intensity in (("01",) if emotion == 1 else ("01", "02"))
        for statement in ("01", "02")
        for repetition in ("01", "02")
        for actor in ACTORS
    }


def contents(archive: Archive, settings: dict) -> Contents:
    """Return the 672 four-class recordings: 96 neutral, 192 of each other emotion.

    `verify` compares names; the md5 is checked at download. Raises `UserError` if a folder and a file name differ
    in their actor.
    """
    names, _ = archive.scan()
    found = match_audio_files(archive, names, "ravdess")
    if settings["verify"] != "none":
        check_names(archive, "RAVDESS", published_names(), {Path(name).name for name in found})
    recordings = []
    for name, match in found.items():
        folder, emotion, actor = match.groups()
        if folder not in (None, actor):  # some copies have no folders
            raise UserError(
                f"{archive.path}: {name} is in the folder of another actor than its file name says."
                " Correct the copy, or download the corpus again."
            )
        if emotion in EMOTIONS:
            gender = "male" if int(actor) % 2 else "female"
            recordings.append(Recording(Path(name).stem, actor, actor, gender, EMOTIONS[emotion], name))
    warnings = unknown_file_warnings(names, found)
    return Contents(recordings, {"level": settings["verify"], "files": len(found), "warnings": warnings})
