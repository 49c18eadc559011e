"""EMOVO, Italian emotional speech (Costantini et al., LREC 2014).

A file name is emotion, speaker and sentence: `rab-f1-b1.wav`. 587 of the 588 files are stereo, from two
microphones about 0.5 ms apart. Their mean would comb-filter the speech, so ingestion takes one channel of
every corpus, the first with sound (`audio.first_live_channel`).
"""

from pathlib import Path

from ser.corpora.archives import Archive
from ser.corpora.formats import Contents, Recording, check_names, match_audio_files, unknown_file_warnings

PATTERN = r"(?:^|/)(neu|dis|gio|pau|rab|sor|tri)-([fm][123])-(b[1-3]|l[1-4]|n[1-5]|d[12])\.wav$"
EMOTIONS = {"rab": "angry", "gio": "happy", "neu": "neutral", "tri": "sad"}
SPEAKERS = ("f1", "f2", "f3", "m1", "m2", "m3")
SENTENCES = ("b1", "b2", "b3", "d1", "d2", "l1", "l2", "l3", "l4", "n1", "n2", "n3", "n4", "n5")
ALL_EMOTIONS = ("neu", "dis", "gio", "pau", "rab", "sor", "tri")


def published_names() -> set[str]:
    """Return the 588 file names: every speaker says every sentence in every emotion."""
    return {f"{e}-{speaker}-{s}.wav" for e in ALL_EMOTIONS for speaker in SPEAKERS for s in SENTENCES}


def contents(archive: Archive, settings: dict) -> Contents:
    """Return the 336 four-class recordings.

    No checksums are published, so `verify` compares names.
    """
    names, _ = archive.scan()
    found = match_audio_files(archive, names, "emovo")
    if settings["verify"] != "none":
        check_names(archive, "EMOVO", published_names(), {Path(name).name for name in found})
    recordings = []
    for name, match in found.items():
        letters, speaker, _sentence = match.groups()
        if letters in EMOTIONS:
            gender = "male" if speaker.startswith("m") else "female"
            recordings.append(Recording(Path(name).stem, speaker, speaker, gender, EMOTIONS[letters], name))
    warnings = unknown_file_warnings(names, found)
    return Contents(recordings, {"level": settings["verify"], "files": len(found), "warnings": warnings})
