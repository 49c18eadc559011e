"""Reading tables without guessing types, and writing files that are whole or absent."""

import ast
import csv
import errno
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ser.core.errors import UserError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what writing fails with when there is no more room
WRITTEN = (Path("results"), Path("resources", "encoders"))  # where jobs write, and no user does


@contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename it to `path` if no error occurs.

    The temporary name keeps the suffix, since writers choose a format by it. What was written is
    flushed to the disk before the rename, so that a full disk or a power cut cannot leave a
    truncated file under the final name. What a process that was killed left of the same file is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    left_behind = rf"\.{re.escape(path.stem)}\.\d+{re.escape(path.suffix)}"
    if path.suffix == ".safetensors":
        left_behind += r"|\.tmp\w{6}"  # what safetensors writes to first
    for other in path.parent.iterdir():
        if re.fullmatch(left_behind, other.name) and other.is_file():
            other.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def disk_problem(error: BaseException) -> str | None:
    """What to do about an error that is the disk's and not the code's; None if it is another."""
    in_rust = re.search(r"\(os error (\d+)\)", str(error))  # as safetensors says it
    code = int(in_rust[1]) if in_rust else getattr(error, "errno", None)
    if code in FULL_DISK:
        return f"the disk or quota is full ({error}). Make room and run again."
    if code == errno.EROFS:
        return f"the disk may not be written to ({error}). Mount it for writing and run again."
    return None


def damage_among(paths: Iterable[str | os.PathLike]) -> list[str]:
    """What is wrong, and the remedy, with those of some files that jobs have written and that `check_whole` refuses."""
    problems = []
    for path in sorted(set(map(Path, paths))):
        if any(map(path.is_relative_to, WRITTEN)) and path.is_file():
            try:
                check_whole(path)
            except UserError as error:
                problems.append(str(error))
    return problems


def check_whole(path: str | os.PathLike) -> None:
    """Raise `UserError`, with the remedy, if a file that a job has written is empty or cut short.

    Seen without reading it all: a table ends with the end of a line, JSON is one document, arrays and tensors are as
    long as their headers say. A table that is cut between two lines is found by who knows what it should hold; a
    corpus's is here, since nearly everything follows from it: it ends where the corpus's audio does.
    """
    path = Path(path)
    check = WHOLE.get(path.suffix)
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            whole = size > 0 and (check is None or check(file, size))
        if whole and path.name == "utterances.csv":
            whole = _ends_where_its_audio_does(path)
    except (ValueError, LookupError, TypeError, SyntaxError):
        whole = False
    if not whole:
        raise UserError(f"{path} is {'cut short' if size else 'empty'}. {remedy(path)}")


def check_count(path: str | os.PathLike, found: int, expected: int) -> None:
    """Raise `UserError` if a table has other than the expected number of rows, as when it is cut between two lines."""
    if found != expected:
        raise UserError(f"{path} has {found} rows, not {expected}: it is cut short or was edited. {remedy(path)}")


def check_length(path: str | os.PathLike, found: int, described: int) -> None:
    """Raise `UserError` if what was made of a corpus has another length than the corpus's rows describe."""
    if found != described:
        cut = "utterances.csv" if described < found else "it"
        raise UserError(
            f"{path} has a length of {found}, but by its corpus's utterances.csv it is {described}: {cut} is cut short."
            f" Delete {cut if cut != 'it' else Path(path).name} and run again."
        )


def remedy(path: str | os.PathLike) -> str:
    """What to do about a damaged file that a job has written."""
    return f"Delete it, make it anew by `snakemake --cores 1 {path}`, then run as before (docs/running.md)."


def _table_is_whole(file, size: int) -> bool:
    file.seek(size - 1)
    return file.read() == b"\n"


def _json_is_whole(file, size: int) -> bool:
    json.load(file)
    return True


def _ends_where_its_audio_does(utterances: Path) -> bool:
    audio, last = utterances.parent / "clean" / "audio.npy", read_rows(utterances)[-1]
    if not audio.exists():
        return True
    with open(audio, "rb") as file:
        return _array_header(file)["shape"] == (int(last["start"]) + int(last["samples"]),)


def _array_header(file) -> dict:
    """NumPy's format, version 1.0: magic and version, length of the header, header, values."""
    file.seek(8)
    return ast.literal_eval(file.read(int.from_bytes(file.read(2), "little")).decode("latin1"))


def _array_is_whole(file, size: int) -> bool:
    header = _array_header(file)
    return size == file.tell() + int(header["descr"][2:]) * math.prod(header["shape"])


def _tensors_are_whole(file, size: int) -> bool:
    """safetensors: length of the header, header, values."""
    header = json.loads(file.read(min(size, int.from_bytes(file.read(8), "little"))))
    return size == file.tell() + max((entry.get("data_offsets", (0, 0))[1] for entry in header.values()), default=0)


WHOLE = {
    ".csv": _table_is_whole,
    ".json": _json_is_whole,
    ".npy": _array_is_whole,
    ".safetensors": _tensors_are_whole,
}


def sha256(path: str | os.PathLike) -> str:
    """Checksum of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_rows(path: str | os.PathLike, encoding: str = "utf-8") -> list[dict[str, str]]:
    """Read a CSV with every value as the string it is (speaker `03` stays `03`)."""
    with open(path, newline="", encoding=encoding) as file:
        return list(csv.DictReader(file))


def write_rows(path: str | os.PathLike, columns, rows) -> None:
    """Write rows (mappings, or sequences in the columns' order) as CSV, whole or not at all."""
    with written_whole(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([row[column] for column in columns] if isinstance(row, dict) else row)


def write_json(path: str | os.PathLike, content) -> None:
    """Write JSON for people and programs alike, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: str | os.PathLike):
    """Read one JSON document."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def files_under(folder: str | os.PathLike) -> Iterator[Path]:
    """All files of a folder at any depth, in the order of their names, through links too, each folder once.

    Raises `OSError` if a folder may not be read.
    """

    def refuse(error: OSError):
        raise error

    entered = set()
    for root, subfolders, files in os.walk(folder, onerror=refuse, followlinks=True):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in entered:
            subfolders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        subfolders.sort()
        yield from (path for file in sorted(files) if (path := Path(root, file)).is_file())
