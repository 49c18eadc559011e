"""Reading tables without type inference, atomic writing of files, and checksums."""

import csv
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ser.core.errors import UserError


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path, and rename it to `path` if no error occurs.

    The temporary name keeps the suffix, since writers choose the format by it. The file is flushed to
    disk before it is renamed, so a full disk or a power cut cannot leave a truncated file under the final
    name. It gets the usual permissions, since some libraries make files readable by their owner only. Temporary files
    that a killed process left behind are removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    leftover = rf"\.{re.escape(path.stem)}\.\d+{re.escape(path.suffix)}"
    if path.suffix == ".safetensors":
        leftover += r"|\.tmp\w{6}"  # safetensors' own temporary files
    for other in path.parent.iterdir():
        if re.fullmatch(leftover, other.name) and other.is_file():
            other.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o077)  # can only be read by setting it
    os.umask(mask)
    return mask


def read_rows(path: str | os.PathLike) -> list[dict[str, str]]:
    """Read a CSV with every value as a string (speaker `03` stays `03`)."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(path: str | os.PathLike, columns, rows) -> None:
    """Write rows (mappings, or sequences in column order) atomically as CSV."""
    with atomic_write(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([row[column] for column in columns] if isinstance(row, dict) else row)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write text atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, content) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: str | os.PathLike):
    """Read a JSON file. Raises `UserError` if it is damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # of JSON, or of its encoding
        raise UserError(f"{path} is damaged: {error}. Delete it, and make or copy it again.") from error


def sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 checksum of a file in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_under(folder: str | os.PathLike) -> Iterator[Path]:
    """Yield all files in a folder and its subfolders, sorted by name within each.

    Links are followed, but each folder is visited once. Raises `OSError` if a folder cannot be read.
    """

    def raise_error(error: OSError):
        raise error

    visited = set()
    for root, subfolders, files in os.walk(folder, onerror=raise_error, followlinks=True):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in visited:
            subfolders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        subfolders.sort()
        yield from (path for file in sorted(files) if (path := Path(root, file)).is_file())
