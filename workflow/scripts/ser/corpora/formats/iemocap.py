"""IEMOCAP, acted dyadic conversations (Busso et al., 2008), in five sessions.

Each session has one woman and one man. Labels are the lines of `Session*/dialog/EmoEvaluation/<dialogue>.txt`
with an utterance's name, agreed emotion and dimensions; lines of individual raters are ignored. Excitement
counts as happiness, as in the four-class convention of 5531 utterances.
"""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

from ser.core.errors import UserError, listing
from ser.corpora.archives import Archive
from ser.corpora.formats import Contents, Recording, match_audio_files, unknown_file_warnings

PATTERN = r"(?:^|/)Session([1-5])/sentences/wav/([^/]+)/((Ses0\1)[FM]_[^/]+_([FM])\d+)\.wav$"
LABELS = r"(?:^|/)Session[1-5]/dialog/EmoEvaluation/[^/]+\.txt$"
LABEL_LINE = re.compile(r"^\[\d+\.\d+ - \d+\.\d+\][ \t]+(\S+)[ \t]+(\w+)[ \t]+\[", re.MULTILINE)
EMOTIONS = {"ang": "angry", "hap": "happy", "exc": "happy", "neu": "neutral", "sad": "sad"}
COUNTS = {"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1084}


def contents(archive: Archive, settings: dict) -> Contents:
    """Return the 5531 four-class recordings.

    The speaker is the session and the letter in the last part of the utterance's name; the dialogue's prefix
    only tells who wore the motion-capture markers. Partners are recorded together, so a session is a group.

    Raises `UserError` if a labelled utterance has no recording, or a count differs from the full release.
    """
    names, texts = archive.scan(lambda name: re.search(LABELS, name) is not None)
    audio: dict[str, tuple] = {}
    for name, match in match_audio_files(archive, names, "iemocap").items():
        other, _ = audio.setdefault(match[3], (name, match))
        if other != name:
            raise UserError(f"{archive.path} contains {match[3]} twice: {other} and {name}. Remove one of them.")
    labels: dict[str, str] = {}
    for name, content in texts.items():
        for utterance, label in LABEL_LINE.findall(_decoded(content)):
            if labels.setdefault(utterance, label) != label:
                raise UserError(
                    f"{archive.path} labels {utterance} both {labels[utterance]} and {label}, the latter in {name}."
                    " If it contains two copies of the corpus, remove one."
                )
    emotions = {utterance: EMOTIONS[label] for utterance, label in labels.items() if label in EMOTIONS}
    if not emotions:
        raise UserError(f"{archive.path} has no labels in Session*/dialog/EmoEvaluation/*.txt: is the copy complete?")
    if missing := sorted(emotions.keys() - audio.keys()):
        raise UserError(
            f"{archive.path} lacks the recordings of {len(missing)} labelled utterances: {listing(missing)}."
            " Complete the copy."
        )
    counts = Counter(emotions.values())
    if settings["verify"] != "none" and counts != COUNTS:
        raise UserError(
            f"{archive.path} is not the full release: its labels give {_listed(counts)}; the full release has"
            f" {_listed(COUNTS)}. To use it anyway, set `verify: none` for this corpus."
        )
    recordings = []
    for utterance, emotion in emotions.items():
        name, match = audio[utterance]
        session, sex = match[4], match[5]
        gender = "male" if sex == "M" else "female"
        recordings.append(Recording(utterance, session + sex, session, gender, emotion, name))
    warnings = unknown_file_warnings(names, {name for name, _ in audio.values()}, below="/sentences/wav/")
    if unlabelled := sorted(audio.keys() - labels.keys()):
        warnings.append(f"{len(unlabelled)} utterances have no label and are not used: {listing(unlabelled)}")
    return Contents(recordings, {"level": settings["verify"], "files": len(audio), "warnings": warnings})


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts.get(emotion, 0)} {emotion}" for emotion in COUNTS)


def _decoded(content: bytes) -> str:
    """Decode a file of labels, as editors on different systems save it."""
    encodings = ("utf-16",) if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else ("utf-8-sig", "latin-1")
    for encoding in encodings:
        with suppress(UnicodeDecodeError):
            return "\n".join(content.decode(encoding).splitlines())
    return ""
