"""Your own corpus: a CSV table of audio files, speakers and emotions.

Required columns: `file` (relative to the CSV's folder, or absolute; WAV, FLAC, MP3, Ogg or AIFF, at any
rate), `speaker` and `emotion`. Optional columns: `gender` (female, male or empty) and `group` (kept whole by
splits, such as a session; the speaker by default).
"""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from ser.core import identity
from ser.core.constants import EMOTIONS
from ser.core.errors import UserError, listing
from ser.core.files import sha256
from ser.corpora.formats import Contents, Recording

REQUIRED = ("file", "speaker", "emotion")
NAMES = ("speaker", "group", "emotion")
# as spreadsheets, databases and pandas write an empty or failed cell
MISSING = (
    "nan",
    "<na>",
    "none",
    "null",
    "(null)",
    "\\n",
    "n/a",
    "n.a.",
    "#n/a",
    "#ref!",
    "#value!",
    "undefined",
    "-",
    "?",
)
UNCLEAR = ("na", "unknown")  # may be a name, or an empty cell
GENDERS = {"": "", "f": "female", "female": "female", "m": "male", "male": "male"}


class ListedFiles:
    """Audio files listed in a CSV.

    Raises `UserError` if the CSV is not valid, or a file does not exist.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.rows = _read(self.path)
        if missing := [row["file"] for row in self.rows if not _is_file(self._locate(row["file"]))]:
            raise UserError(
                f"{self.path}: {len(missing)} of its {len(self.rows)} files do not exist: {listing(missing)}."
                " Paths in column `file` must be absolute, or relative to the folder of the CSV."
            )

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the named files with their bytes."""
        for name in sorted(names):
            yield name, self._locate(name).read_bytes()

    def sha256(self) -> str:
        """Return the checksum of the CSV."""
        return sha256(self.path)

    def real_path(self, name: str) -> str:
        """Return the path of a file with links and `..` resolved."""
        return os.path.realpath(self._locate(name))

    def _locate(self, name: str) -> Path:
        return self.path.parent / name


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # not a valid path, such as a name that is too long
        return False


def audio_files(path: str | os.PathLike) -> list[Path]:
    """Return the files listed in a CSV, whether they exist or not."""
    return [Path(path).parent / row["file"] for row in _read(Path(path))]


def contents(archive: ListedFiles, settings: dict) -> Contents:
    """Return the four-class recordings.

    `labels` in the settings maps labels of the CSV to emotions, or to null to leave them out. Raises
    `UserError` for any other label, so that none is lost by mistake.
    """
    own = {identity.normalise(label): emotion for label, emotion in (settings.get("labels") or {}).items()}
    labels = {emotion: emotion for emotion in EMOTIONS} | own
    counts = Counter(row["emotion"] for row in archive.rows)
    if unknown := sorted(counts.keys() - labels.keys()):
        raise UserError(
            f"{archive.path}: column `emotion` contains {listing(map(repr, unknown))}, but must be one of"
            f" {', '.join(EMOTIONS)}. Map each other label to one of these in the corpus's `labels`, or to null to"
            f' leave its files out, for example labels: {{"{unknown[0]}": null}}'
        )
    recordings, names = [], _utterance_names([row["file"] for row in archive.rows])
    for row, utterance in zip(archive.rows, names, strict=True):
        gender = GENDERS.get(row.get("gender", "").lower())
        if gender is None:
            raise UserError(
                f"{archive.path}, line {row['line']}: gender {row['gender']!r} must be female, male or empty"
            )
        if emotion := labels[row["emotion"]]:
            group = row.get("group") or row["speaker"]
            recordings.append(Recording(utterance, row["speaker"], group, gender, emotion, row["file"]))
    paths = Counter(archive.real_path(recording.file) for recording in recordings)
    if duplicates := [path for path, count in paths.items() if count > 1]:
        raise UserError(
            f"{archive.path} lists these files more than once: {listing(duplicates)}. Keep one row of each."
        )
    if absent := [emotion for emotion in EMOTIONS if emotion not in {r.emotion for r in recordings}]:
        raise UserError(f"{archive.path} has no utterances of {' or '.join(absent)}; all four emotions are required")
    unused = sorted({*archive.rows[0]} - {*REQUIRED, *NAMES, "gender", "line"})
    unclear = sorted({row["speaker"] for row in archive.rows if row["speaker"].casefold() in UNCLEAR})
    genders = Counter(speaker for speaker, _ in {(r.speaker, r.gender) for r in recordings if r.gender})
    mixed = sorted(speaker for speaker, count in genders.items() if count > 1)
    left_out = sum(count for label, count in counts.items() if labels[label] is None)
    warnings = [f"{left_out} files are left out because of `labels`"] * bool(left_out)
    warnings += [f"columns that are not used: {listing(unused)}"] * bool(unused)
    warnings += [f"{listing(map(repr, unclear))} counts as one speaker"] * bool(unclear)
    warnings += [f"both female and male: {listing(map(repr, mixed))} (one speaker, or two of one name?)"] * bool(mixed)
    return Contents(recordings, {"level": "table", "files": len(archive.rows), "warnings": warnings})


def _utterance_names(files: list[str]) -> list[str]:
    """Return the files' paths, without suffix unless they differ only in the suffix."""
    stems = [str(PurePosixPath(file).with_suffix("")) for file in files]
    counts = Counter(stems)
    return [stem if counts[stem] == 1 else file for stem, file in zip(stems, files, strict=True)]


def _read(path: Path) -> list[dict]:
    """Return the rows with stripped cells and their line number in `line`."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:  # spreadsheets write a byte order mark
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a CSV in UTF-8 ({error})") from error
    columns = [identity.normalise(column).casefold() for column in lines[0][1]] if lines else []
    missing = [column for column in REQUIRED if column not in columns]
    if missing or len(lines) < 2:
        raise UserError(
            f"{path} must be a CSV with the columns {', '.join(REQUIRED)}, and optionally gender and group;"
            + (f" it lacks {', '.join(missing)}." if lines and missing else " it has no rows.")
            + (" Separate columns by commas." if len(columns) == 1 and {";", "\t"} & set(columns[0]) else "")
        )
    if duplicates := [column for column, count in Counter(columns).items() if count > 1]:
        raise UserError(f"{path} has the column {duplicates[0]!r} more than once: remove or rename one of them")
    return [_row(path, line, columns, cells) for line, cells in lines[1:]]


def _row(path: Path, line: int, columns: list[str], cells: list[str]) -> dict:
    if len(cells) != len(columns):
        raise UserError(f"{path}, line {line}: {len(cells)} cells instead of {len(columns)}. Correct the line.")
    row = dict(zip(columns, cells, strict=True))
    names = {column: identity.normalise(row[column]) for column in NAMES if column in row}
    if empty := [column for column in REQUIRED if not names.get(column, row[column])]:
        raise UserError(f"{path}, line {line}: {', '.join(empty)} is empty. Fill it in, or delete the line.")
    if missing := [column for column, name in names.items() if name.casefold() in MISSING]:
        raise UserError(
            f"{path}, line {line}: {missing[0]} is {row[missing[0]]!r}, as programs write an empty cell. Fill it in, or"
            " delete the line."
        )
    if broken := [column for column in columns if "\n" in row[column] or "\0" in row[column]]:
        raise UserError(f"{path}, line {line}: {', '.join(broken)} spans several lines: is a quotation mark missing?")
    return row | names | {"line": line}
