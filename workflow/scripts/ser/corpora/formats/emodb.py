"""EMODB, version 1 (Burkhardt et al., Interspeech 2005).

The Berlin Database of Emotional Speech. A file name is speaker, sentence, emotion (the first letter of its German
name) and take: `03a01Wa.wav`. A is fear (Angst) and F is happiness (Freude).
"""

from pathlib import Path

from ser.core.errors import UserError
from ser.corpora.archives import Archive
from ser.corpora.formats import (
    Contents,
    Recording,
    altered_files,
    check_names,
    match_audio_files,
    published_files,
    unknown_file_warnings,
)

PATTERN = r"(?:^|/)(03|08|09|1[0-6])(a01|a02|a04|a05|a07|b01|b02|b03|b09|b10)([WLEAFTN])([a-f])\.wav$"
CHECKSUMS = "resources/emodb-v1-sha256.tsv"
EMOTIONS = {"W": "angry", "F": "happy", "N": "neutral", "T": "sad"}
MEN = {"03", "10", "11", "12", "15"}
FILES_OF_VERSION_2 = 816


def contents(archive: Archive, settings: dict) -> Contents:
    """Return the four-class recordings.

    There are 420 with `boredom: sad`, and 339 with `boredom: drop`. `verify: sha256` requires the published files
    byte for byte, `names` requires their names, and `none` checks nothing.
    """
    names, _ = archive.scan()
    found = match_audio_files(archive, names, "emodb")
    if len(found) == FILES_OF_VERSION_2:
        raise UserError(
            f"{archive.path} is version 2 of EMODB (816 files), but this workflow uses version 1 (535 files)."
            " Download version 1."
        )
    verification = {"level": settings["verify"], "warnings": unknown_file_warnings(names, found)}
    notes = ["without boredom (339 utterances; the paper has 420)"] if settings["boredom"] == "drop" else []
    if settings["verify"] != "none":
        published = published_files("emodb")
        check_names(archive, "EMODB version 1", set(published), {Path(name).name for name in found})
        altered = altered_files(archive, found, published, settings["verify"])
        verification |= {"files": len(found), "altered": len(altered)}
        notes += ["altered audio, not comparable"] if altered else []
    labels = EMOTIONS | ({"L": "sad"} if settings["boredom"] == "sad" else {})
    recordings = []
    for name, match in found.items():
        speaker, _sentence, letter, _take = match.groups()
        if letter in labels:
            gender = "male" if speaker in MEN else "female"
            recordings.append(Recording(Path(name).stem, speaker, speaker, gender, labels[letter], name))
    return Contents(recordings, verification | {"notes": notes})
