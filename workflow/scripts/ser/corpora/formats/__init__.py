"""Corpora as they are published: which recordings an archive holds, who speaks them, and how.

Each format is a module with

- `PATTERN`: what its audio files are called, searched in a member's path;
- `contents(archive, settings)`: its four-class recordings, checked against what is known of it.
"""

import csv
import hashlib
import importlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ser.core.errors import UserError, listing
from ser.core.paths import ROOT
from ser.corpora.archives import Archive

PUBLISHED = ("emodb", "emovo", "iemocap", "ravdess", "urdu")
AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".aiff")
CHECKSUMS = {"emodb": "resources/emodb-v1-sha256.tsv", "urdu": "resources/urdu-sha256.tsv"}


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
    """Contents of an archive: its recordings, and how the archive was checked.

    `verification` has the `level`; where they apply, the number of `files` checked and of those
    `altered`, a `note` that tables carry, and `warnings`.
    """

    recordings: list[Recording]
    verification: dict


def open_corpus(path: str | os.PathLike, settings: dict):
    """Open a corpus by its format, and find its four-class recordings, sorted by utterance name.

    Returns something to `read` recordings from by their names, and the contents. Raises `UserError`
    if the path holds another corpus, or not what the corpus should.
    """
    corpus_format = _load(settings["format"])
    archive = Archive(path) if settings["format"] in PUBLISHED else corpus_format.ListedFiles(path)
    contents = corpus_format.contents(archive, settings)
    names = [recording.utterance for recording in contents.recordings]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise UserError(f"{path} holds these utterances more than once: {listing(twice)}")
    recordings = sorted(contents.recordings, key=lambda recording: recording.utterance)
    _check_groups(path, recordings)
    return archive, Contents(recordings, contents.verification)


def _module(corpus_format: str) -> str:
    return "csv_table" if corpus_format == "table" else corpus_format


def _load(corpus_format: str) -> ModuleType:
    return importlib.import_module(f"ser.corpora.formats.{_module(corpus_format)}")


def _check_groups(path, recordings: list[Recording]) -> None:
    """Raise `UserError` if a speaker is in two groups: a split keeps groups whole, and must keep speakers whole."""
    group_of: dict[str, str] = {}
    for recording in recordings:
        group = group_of.setdefault(recording.speaker, recording.group)
        if group != recording.group:
            raise UserError(
                f"{path}: speaker {recording.speaker} is in the groups {group} and {recording.group}, so a split could"
                " put the speaker on both sides. Give every speaker one group."
            )


def matching(archive: Archive, names: list[str], corpus_format: str) -> dict[str, re.Match]:
    """The members that are called as the format's audio files are.

    Raises `UserError` if there is none, naming the format that the archive does look like.
    """

    def matches(candidate: str) -> dict[str, re.Match]:
        pattern = _load(candidate).PATTERN
        return {name: match for name in names if (match := re.search(pattern, name))}

    if found := matches(corpus_format):
        return found
    audio = [name for name in names if name.lower().endswith(AUDIO_SUFFIXES)]
    others = [other for other in PUBLISHED if other != corpus_format and matches(other)]
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


def warnings_of_strangers(names: list[str], found, below: str = "") -> list[str]:
    """Audio files under a folder that the format does not know: named, and otherwise left alone."""
    strangers = [
        name for name in names if name not in found and below in name and name.lower().endswith(AUDIO_SUFFIXES)
    ]
    return [f"{len(strangers)} audio files that it should not have are not used: {listing(strangers)}"] * bool(
        strangers
    )


def published_files(corpus_format: str) -> dict[str, dict]:
    """Name -> {bytes, sha256} of every file of a corpus as published; for EMODB and URDU."""
    with open(ROOT / CHECKSUMS[corpus_format], newline="", encoding="utf-8") as file:
        return {Path(row["file"]).name: row for row in csv.DictReader(file, delimiter="\t")}


def sources(corpus_format: str) -> list[str]:
    """Return the module of a format, loaded by a computed name, and its checksums, as paths in the repository."""
    module = f"workflow/scripts/ser/corpora/formats/{_module(corpus_format)}.py"
    return [module, CHECKSUMS[corpus_format]] if corpus_format in CHECKSUMS else [module]


def altered_files(archive: Archive, found, published: dict[str, dict], level: str) -> dict[str, bytes]:
    """The recordings that are not the published ones byte for byte, by name, with their contents.

    Raises `UserError` if there are any and `level` is sha256.
    """
    altered = {
        Path(member).name: content
        for member, content in archive.read(found)
        if hashlib.sha256(content).hexdigest() != published.get(Path(member).name, {}).get("sha256")
    }
    if altered and level == "sha256":
        raise UserError(
            f"{archive.path}: {len(altered)} of {len(found)} files are not the published recordings (sha256 differs):"
            f" {listing(sorted(altered))}. Fetch the original archive, or set `verify: names` for this corpus to"
            " accept altered audio; the tables will then say so."
        )
    return altered
