"""Corpora as they are published: which recordings an archive holds, who speaks them, and how.

Each format is a module with

- `PATTERN`: what its audio files are called, searched in a member's path;
- `contents(archive, settings)`: its four-class recordings, checked against what is known of it.
"""

import importlib
import re
from dataclasses import dataclass

from ser.archives import Archive
from ser.errors import UserError, listing

FORMATS = ("emodb", "emovo", "iemocap", "urdu")


@dataclass(frozen=True)
class Recording:
    """One labelled utterance of a corpus, before its audio is read."""

    utterance: str
    speaker: str
    group: str  # what a split may not cut: the speaker, or a session whose speakers share recordings
    gender: str  # "female", "male", or "" where unknown
    emotion: str  # one of `EMOTIONS`
    file: str  # path inside the archive


@dataclass(frozen=True)
class Contents:
    """What an archive holds: its recordings, and how the archive was checked."""

    recordings: list[Recording]
    verification: dict


def read_contents(archive: Archive, corpus_format: str, settings: dict) -> Contents:
    """Find a corpus's four-class recordings, sorted by utterance name.

    Raises `UserError` if the archive holds another corpus, or not what the corpus should.
    """
    contents = importlib.import_module(f"ser.corpora.{corpus_format}").contents(archive, settings)
    names = [recording.utterance for recording in contents.recordings]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise UserError(f"{archive.path} holds these utterances more than once: {listing(twice)}")
    recordings = sorted(contents.recordings, key=lambda recording: recording.utterance)
    return Contents(recordings, contents.verification)


def matching(archive: Archive, names: list[str], corpus_format: str) -> dict[str, re.Match]:
    """The members that are called as the format's audio files are.

    Raises `UserError` if there is none, naming the format that the archive does look like.
    """

    def matches(candidate: str) -> dict[str, re.Match]:
        pattern = importlib.import_module(f"ser.corpora.{candidate}").PATTERN
        return {name: match for name in names if (match := re.search(pattern, name))}

    if found := matches(corpus_format):
        return found
    audio = [name for name in names if name.lower().endswith((".wav", ".flac", ".mp3", ".ogg"))]
    others = [other for other in FORMATS if other != corpus_format and matches(other)]
    raise UserError(
        f"{archive.path} is not an archive of format {corpus_format!r}: none of its {len(audio)} audio files is"
        f" called as they are there"
        + (f" (it holds, for example, {listing(audio, 3)})" if audio else "")
        + (f". It looks like format {others[0]!r}: correct `format` or `path` of the corpus" if others else "")
        + "."
    )


def check_names(archive: Archive, corpus: str, expected: set[str], found: set[str]) -> None:
    """Raise `UserError` unless exactly the expected files are there."""
    missing, extra = sorted(expected - found), sorted(found - expected)
    if missing or extra:
        raise UserError(
            f"{archive.path} does not hold the {len(expected)} files of {corpus}: {len(found)} were found"
            + (f"; missing: {listing(missing)}" if missing else "")
            + (f"; unknown: {listing(extra)}" if extra else "")
            + ". Set `verify: none` for this corpus to use it all the same."
        )
