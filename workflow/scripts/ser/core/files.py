"""Reading tables without guessing types, and writing files that are whole or absent."""

import csv
import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what writing fails with when there is no more room


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
    """Return what to do about an error of the disk; None if it is another error."""
    in_rust = re.search(r"\(os error (\d+)\)", str(error))  # as safetensors says it
    code = int(in_rust[1]) if in_rust else getattr(error, "errno", None)
    if code in FULL_DISK:
        return f"the disk or quota is full ({error}). Make room and run again."
    if code == errno.EROFS:
        return f"the disk may not be written to ({error}). Mount it for writing and run again."
    return None


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
