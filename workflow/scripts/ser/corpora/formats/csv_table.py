"""A corpus of your own: a CSV that names audio files, their speakers and their emotions.

Columns `file` (relative to the CSV, or absolute; any format and rate that libsndfile reads), `speaker`
and `emotion`; if there are, `gender` (female, male or empty) and `group` (what a split may not cut, such as
a session; the speaker if there is none).
"""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError, listing
from ser.core.integrity import sha256
from ser.corpora.formats import Contents, Recording

REQUIRED = ("file", "speaker", "emotion")
GENDERS = {"": "", "f": "female", "female": "female", "m": "male", "male": "male"}


class ListedFiles:
    """The audio files that a CSV names. Raises `UserError` if it is no such CSV, or a file is not there."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.rows = _read(self.path)
        if missing := [row["file"] for row in self.rows if not _is_file(self._locate(row["file"]))]:
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

    def place_of(self, name: str) -> str:
        """Where a file is, however it is named."""
        return os.path.realpath(self._locate(name))

    def _locate(self, name: str) -> Path:
        return self.path.parent / name


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no path at all, such as a name too long
        return False


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
            f' labels: {{"{unknown[0]}": {EMOTIONS[0]}}}'
        )
    recordings, names = [], _utterance_names([row["file"] for row in archive.rows])
    for row, utterance in zip(archive.rows, names, strict=True):
        gender = GENDERS.get(row.get("gender", "").lower())
        if gender is None:
            raise UserError(
                f"{archive.path}, line {row['line']}: gender {row['gender']!r} is none of female, male, or empty"
            )
        if emotion := labels[row["emotion"]]:
            group = row.get("group") or row["speaker"]
            recordings.append(Recording(utterance, row["speaker"], group, gender, emotion, row["file"]))
    places = Counter(archive.place_of(recording.file) for recording in recordings)
    if twice := [place for place, count in places.items() if count > 1]:
        raise UserError(f"{archive.path} holds these utterances more than once: {listing(twice)}")
    if absent := [emotion for emotion in EMOTIONS if emotion not in {r.emotion for r in recordings}]:
        raise UserError(f"{archive.path} has no utterance that is {' or '.join(absent)}; all four emotions are needed")
    left_out = sum(count for label, count in counts.items() if labels[label] is None)
    warnings = [f"{left_out} files are left out, as `labels` says"] * bool(left_out)
    return Contents(recordings, {"level": "table", "files": len(archive.rows), "warnings": warnings})


def _utterance_names(files: list[str]) -> list[str]:
    """The files' paths without their suffixes, unless two differ in nothing else."""
    stems = [str(PurePosixPath(file).with_suffix("")) for file in files]
    counts = Counter(stems)
    return [stem if counts[stem] == 1 else file for stem, file in zip(stems, files, strict=True)]


def _read(path: Path) -> list[dict]:
    """The rows without the blanks around their cells, and in `line` where each is."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:  # spreadsheets begin with a mark
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a CSV in UTF-8 ({error})") from error
    columns = lines[0][1] if lines else []
    missing = [column for column in REQUIRED if column not in columns]
    if missing or len(lines) < 2:
        raise UserError(
            f"{path} must be a CSV with the columns {', '.join(REQUIRED)}, and if you like gender and group;"
            + (f" it lacks {', '.join(missing)}." if lines and missing else " it has no rows.")
        )
    if twice := [column for column, count in Counter(columns).items() if count > 1]:
        raise UserError(f"{path} has the column {twice[0]!r} more than once")
    return [_row(path, line, columns, cells) for line, cells in lines[1:]]


def _row(path: Path, line: int, columns: list[str], cells: list[str]) -> dict:
    if len(cells) != len(columns):
        raise UserError(f"{path}, line {line}: {len(cells)} cells instead of {len(columns)}")
    row = dict(zip(columns, cells, strict=True))
    if empty := [column for column in REQUIRED if not row[column]]:
        raise UserError(f"{path}, line {line}: {', '.join(empty)} is empty")
    if strange := [column for column in columns if "\n" in row[column] or "\0" in row[column]]:
        raise UserError(f"{path}, line {line}: {', '.join(strange)} goes over several lines: is a quotation mark lost?")
    return row | {"line": line}
