"""A corpus of your own: a CSV that names audio files, their speakers and their emotions.

Columns `file` (relative to the CSV, or absolute; any format and rate that libsndfile reads), `speaker`
and `emotion`; if there are, `gender` (female, male or empty) and `group` (what a split may not cut, such as
a session; the speaker if there is none).
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from ser.corpora import Contents, Recording
from ser.errors import UserError, listing
from ser.files import read_rows, sha256
from ser.vocabulary import EMOTIONS

REQUIRED = ("file", "speaker", "emotion")
GENDERS = {"": "", "f": "female", "female": "female", "m": "male", "male": "male"}


class ListedFiles:
    """The audio files that a CSV names. Raises `UserError` if it is no such CSV, or a file is not there."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.rows = _read(self.path)
        if missing := [row["file"] for row in self.rows if not self._locate(row["file"]).is_file()]:
            raise UserError(
                f"{self.path}: {len(missing)} of its {len(self.rows)} files do not exist: {listing(missing)}."
                " Column `file` is relative to the folder of the CSV, or absolute."
            )

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield files with their bytes."""
        for name in sorted(names):
            yield name, self._locate(name).read_bytes()

    def sha256(self) -> str:
        """Checksum of the CSV."""
        return sha256(self.path)

    def _locate(self, name: str) -> Path:
        return self.path.parent / name


def audio_files(path: str | os.PathLike) -> list[Path]:
    """The files that a CSV names, whether they exist or not."""
    return [Path(path).parent / row["file"] for row in _read(Path(path))]


def contents(archive: ListedFiles, settings: dict) -> Contents:
    """The four-class recordings.

    `labels` in the settings says which emotion a label of the CSV is, or null to leave it out; a label
    that is neither an emotion nor among them is refused, so that none is lost by a slip.
    """
    labels = {emotion: emotion for emotion in EMOTIONS} | (settings.get("labels") or {})
    counts = Counter(row["emotion"] for row in archive.rows)
    if unknown := sorted(counts.keys() - labels.keys()):
        raise UserError(
            f"{archive.path}: column `emotion` has {listing(map(repr, unknown))}, which is none of"
            f" {', '.join(EMOTIONS)}. Say in the corpus's `labels` which of them each is, or null to leave it out:"
            f" labels: {{{unknown[0]}: {EMOTIONS[0]}}}"
        )
    recordings = []
    for line, row in enumerate(archive.rows, start=2):
        gender = GENDERS.get((row.get("gender") or "").strip().lower())
        if gender is None:
            raise UserError(f"{archive.path}, line {line}: gender {row['gender']!r} is none of female, male, or empty")
        if emotion := labels[row["emotion"]]:
            utterance = str(PurePosixPath(row["file"]).with_suffix(""))
            group = row.get("group") or row["speaker"]
            recordings.append(Recording(utterance, row["speaker"], group, gender, emotion, row["file"]))
    if absent := [emotion for emotion in EMOTIONS if emotion not in {r.emotion for r in recordings}]:
        raise UserError(f"{archive.path} has no utterance that is {' or '.join(absent)}; all four emotions are needed")
    left_out = sum(count for label, count in counts.items() if labels[label] is None)
    warnings = [f"{left_out} files are left out, as `labels` says"] * bool(left_out)
    return Contents(recordings, {"level": "table", "files": len(archive.rows), "warnings": warnings})


def _read(path: Path) -> list[dict[str, str]]:
    try:
        rows = read_rows(path, encoding="utf-8-sig")  # spreadsheets begin with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a CSV in UTF-8 ({error})") from error
    missing = [column for column in REQUIRED if not rows or column not in rows[0]]
    if missing:
        raise UserError(
            f"{path} must be a CSV with the columns {', '.join(REQUIRED)}, and if you like gender and group;"
            + (f" it lacks {', '.join(missing)}." if rows else " it has no rows.")
        )
    for line, row in enumerate(rows, start=2):
        if empty := [column for column in REQUIRED if not row[column]]:
            raise UserError(f"{path}, line {line}: {', '.join(empty)} is empty")
    return rows
