"""RAVDESS, the speech of the Ryerson Audio-Visual Database (Livingstone and Russo, PLOS ONE 2018).

A file name is modality, channel, emotion, intensity, statement, repetition and actor:
`Actor_01/03-01-05-02-01-01-01.wav`. Calm (02) is not neutral (01), and is none of the four classes.
Neutral is said at one intensity only, so it has half as many utterances as the others.
"""

from pathlib import Path

from ser.core.errors import UserError
from ser.corpora.archives import Archive
from ser.corpora.formats import Contents, Recording, check_names, matching, warnings_of_strangers

PATTERN = r"(?:^|/)Actor_(\d\d)/03-01-(0[1-8])-0[12]-0[12]-0[12]-(\d\d)\.wav$"
EMOTIONS = {"05": "angry", "03": "happy", "01": "neutral", "04": "sad"}
ACTORS = [f"{actor:02d}" for actor in range(1, 25)]


def published_names() -> set[str]:
    """The 1440 file names: 24 actors, 8 emotions, 2 intensities (neutral has 1), 2 statements, 2 repetitions."""
    return {
        f"03-01-{emotion:02d}-{intensity}-{statement}-{repetition}-{actor}.wav"
        for emotion in range(1, 9)
        for intensity in (("01",) if emotion == 1 else ("01", "02"))
        for statement in ("01", "02")
        for repetition in ("01", "02")
        for actor in ACTORS
    }


def contents(archive: Archive, settings: dict) -> Contents:
    """The 672 four-class recordings: 96 neutral, 192 of each other. `verify` compares names.

    A download's md5 is checked besides. Raises `UserError` if an actor's folder contradicts a name.
    """
    names, _ = archive.scan()
    found = matching(archive, names, "ravdess")
    if settings["verify"] != "none":
        check_names(archive, "RAVDESS", published_names(), {Path(name).name for name in found})
    recordings = []
    for name, match in found.items():
        folder, emotion, actor = match.groups()
        if folder != actor:
            raise UserError(f"{archive.path}: {name} lies in another actor's folder than its name says")
        if emotion in EMOTIONS:
            gender = "male" if int(actor) % 2 else "female"
            recordings.append(Recording(Path(name).stem, actor, actor, gender, EMOTIONS[emotion], name))
    warnings = warnings_of_strangers(names, found)
    return Contents(recordings, {"level": settings["verify"], "files": len(found), "warnings": warnings})
