"""Published corpus formats: recordings, speakers and emotions of an archive.

Each format is a module with

- `PATTERN`: regular expression for the paths of its audio files;
- `LABELS`: the same for its files of labels, if it has any;
- `CHECKSUMS`: path of its published checksums, if it has any;
- `contents(archive, settings)`: returns its four-class recordings after verifying the archive.
"""

import csv
import hashlib
import importlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ser.core import identity
from ser.core.errors import UserError, listing
from ser.core.paths import ROOT
from ser.corpora.archives import Archive
from ser.corpora.suffixes import AUDIO_SUFFIXES

PUBLISHED = tuple(sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - {"__init__", "csv_table"}))


@dataclass(frozen=True)
class Recording:
    """Labelled utterance of a corpus, before its audio is read; names are in their normal form."""

    utterance: str
    speaker: str
    group: str  # kept whole by splits: the speaker, or a session whose speakers are recorded together
    gender: str  # "female", "male", or "" where unknown
    emotion: str  # one of `EMOTIONS`
    file: str  # path inside the archive

    def __post_init__(self):
        for name in ("utterance", "speaker", "group"):
            object.__setattr__(self, name, identity.normalise(getattr(self, name)))


@dataclass(frozen=True)
class Contents:
    """Recordings of an archive, and the result of its verification.

    `verification` has the `level` and, where they apply, the number of `files` checked, the number `altered`,
    `notes` shown in tables, and `warnings`.
    """

    recordings: list[Recording]
    verification: dict


def open_corpus(path: str | os.PathLike, settings: dict):
    """Open a corpus in its format, and find its four-class recordings.

    Returns an object whose `read` yields recordings by name, and the contents sorted by utterance name. Raises
    `UserError` if the path contains another corpus, or fails verification.
    """
    corpus_format = load(settings["format"])
    archive = Archive(path) if settings["format"] in PUBLISHED else corpus_format.ListedFiles(path)
    contents = corpus_format.contents(archive, settings)
    files: dict[str, list[str]] = {}
    for recording in contents.recordings:
        files.setdefault(recording.utterance, []).append(recording.file)
    if twice := [" and ".join(found) for found in files.values() if len(found) > 1]:
        raise UserError(
            f"{path} contains {len(twice)} utterances more than once: {listing(twice, 3)}. Remove one of the copies."
        )
    recordings = sorted(contents.recordings, key=lambda recording: recording.utterance)
    _check_groups(path, recordings)
    speakers = {recording.speaker for recording in recordings}
    groups = {recording.group for recording in recordings} - speakers
    warnings = [*contents.verification["warnings"], *identity.similar_names("speakers", speakers)]
    warnings += identity.similar_names("groups", groups)
    return archive, Contents(recordings, contents.verification | {"warnings": warnings})


def load(corpus_format: str) -> ModuleType:
    """Return the module of a format."""
    return importlib.import_module(f"{__name__}.{'csv_table' if corpus_format == 'table' else corpus_format}")


def _check_groups(path, recordings: list[Recording]) -> None:
    """Raise `UserError` if a speaker is in two groups, which a split could separate."""
    group_of: dict[str, str] = {}
    for recording in recordings:
        group = group_of.setdefault(recording.speaker, recording.group)
        if group != recording.group:
            raise UserError(
                f"{path}: speaker {recording.speaker} is in two groups, {group} and {recording.group}, so a split could"
                " put the speaker on both sides. Assign each speaker to one group."
            )


def match_audio_files(archive: Archive, names: list[str], corpus_format: str) -> dict[str, re.Match]:
    """Return the members whose paths match the format's audio files.

    Raises `UserError` if there are none, naming the format that does match, if any.
    """

    def matches(candidate: str) -> dict[str, re.Match]:
        pattern = load(candidate).PATTERN
        return {name: match for name in names if (match := re.search(pattern, name))}

    if found := matches(corpus_format):
        return found
    audio = [name for name in names if name.lower().endswith(AUDIO_SUFFIXES)]
    others = [other for other in PUBLISHED if other != corpus_format and matches(other)]
    raise UserError(
        f"{archive.path} is not an archive of format {corpus_format!r}: none of its {len(audio)} audio files has a"
        " name of this format"
        + (f" (it contains, for example, {listing(audio, 3)})" if audio else "")
        + (
            f". It looks like format {others[0]!r}: correct `format` or `path` of the corpus."
            if others
            else ". Correct `path` or `format`."
        )
    )


def check_names(archive: Archive, corpus: str, expected: set[str], found: set[str]) -> None:
    """Raise `UserError` unless exactly the expected files exist."""
    missing, extra = sorted(expected - found), sorted(found - expected)
    if missing or extra:
        raise UserError(
            f"{archive.path} does not contain exactly the {len(expected)} files of {corpus}: {len(found)} were found"
            + (f"; missing: {listing(missing)}" if missing else "")
            + (f"; unknown: {listing(extra)}" if extra else "")
            + ". To use it anyway, set `verify: none` for this corpus."
        )


def unknown_file_warnings(names: list[str], found, below: str = "") -> list[str]:
    """Return a warning if a folder has audio files that are not in the format."""
    unknown = [name for name in names if name not in found and below in name and name.lower().endswith(AUDIO_SUFFIXES)]
    return [f"{len(unknown)} unknown audio files are not used: {listing(unknown)}"] * bool(unknown)


def published_files(corpus_format: str) -> dict[str, dict]:
    """Return name -> {bytes, sha256} of every published file of EMODB or URDU."""
    with open(ROOT / load(corpus_format).CHECKSUMS, newline="", encoding="utf-8") as file:
        return {Path(row["file"]).name: row for row in csv.DictReader(file, delimiter="\t")}


def is_used(corpus_format: str, name: str) -> bool:
    """Return whether a format reads a file of its archive: a recording, or a file of labels."""
    module = load(corpus_format)
    return any(re.search(pattern, name) for pattern in (module.PATTERN, getattr(module, "LABELS", None)) if pattern)


def sources(corpus_format: str) -> list[str]:
    """Return a format's module, and the path of its checksums."""
    module = load(corpus_format)
    return [module.__name__, *([module.CHECKSUMS] if hasattr(module, "CHECKSUMS") else [])]


def altered_files(archive: Archive, found, published: dict[str, dict], level: str) -> list[str]:
    """Return the names of the recordings that differ from the published files.

    Raises `UserError` if there are any and `level` is `sha256`.
    """
    altered = [
        name
        for name, content in ((Path(member).name, content) for member, content in archive.read(found))
        if hashlib.sha256(content).hexdigest() != published.get(name, {}).get("sha256")
    ]
    if altered and level == "sha256":
        raise UserError(
            f"{archive.path}: {len(altered)} of {len(found)} files are not the published recordings (sha256 differs):"
            f" {listing(sorted(altered))}. Download the original archive, or set `verify: names` for this corpus to"
            " accept altered audio, which the tables will note."
        )
    return altered
