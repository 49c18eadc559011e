"""EMODB, the Berlin Database of Emotional Speech (Burkhardt et al., Interspeech 2005), version 1.

A file name is speaker, sentence, emotion (the first letter of its German name) and take:
`03a01Wa.wav`. A is fear (Angst) and F is happiness (Freude).
"""

import io
from pathlib import Path

import soundfile

from ser.core.errors import UserError
from ser.corpora.archives import Archive
from ser.corpora.formats import (
    Contents,
    Recording,
    altered_files,
    check_names,
    matching,
    published_files,
    warnings_of_strangers,
)

PATTERN = r"(?:^|/)(03|08|09|1[0-6])(a01|a02|a04|a05|a07|b01|b02|b03|b09|b10)([WLEAFTN])([a-f])\.wav$"
EMOTIONS = {"W": "angry", "F": "happy", "N": "neutral", "T": "sad"}
MEN = {"03", "10", "11", "12", "15"}
FILES_OF_VERSION_2 = 816


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
    verification = {"level": settings["verify"], "warnings": warnings_of_strangers(names, found)}
    if settings["verify"] != "none":
        published = published_files("emodb")
        check_names(archive, "EMODB version 1", set(published), {Path(name).name for name in found})
        altered = altered_files(archive, found, published, settings["verify"])
        verification |= {"files": len(found), "altered": len(altered), "note": _note(altered, published)}
    labels = EMOTIONS | ({"L": "sad"} if settings["boredom"] == "sad" else {})
    recordings = []
    for name, match in found.items():
        speaker, _sentence, letter, _take = match.groups()
        if letter in labels:
            gender = "male" if speaker in MEN else "female"
            recordings.append(Recording(Path(name).stem, speaker, speaker, gender, labels[letter], name))
    return Contents(recordings, verification)


def _note(altered: dict[str, bytes], published: dict[str, dict]) -> str:
    """What a reader of a table must know of altered recordings."""
    if not altered:
        return ""
    shorter = sum(
        len(content) < 0.9 * int(published[name]["bytes"])
        or _seconds(content) < 0.9 * int(published[name]["bytes"]) / 32_000
        for name, content in altered.items()
    )
    return f"altered {'excerpts' if shorter > len(altered) / 2 else 'audio'}, not comparable"


def _seconds(content: bytes) -> float:
    try:
        return soundfile.info(io.BytesIO(content)).duration
    except soundfile.LibsndfileError:
        return 0.0
