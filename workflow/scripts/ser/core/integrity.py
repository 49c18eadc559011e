"""Checksums of files, and manifests that detect damaged folders."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from ser.core.errors import UserError, listing
from ser.core.files import read_json, write_json

NAME = "manifest.json"


def sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 checksum of a file in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, names: Iterable[str]) -> None:
    """Write the manifest of the given files, named by their paths inside the folder."""
    files = {name: {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)} for name in sorted(names)}
    write_json(folder / NAME, {"files": files})


def check_manifest(folder: Path) -> dict[str, str]:
    """Compare the files of a folder with the checksums in its manifest.

    Returns the checksums by path. Raises `UserError` if a file is missing or differs, or if the manifest cannot be
    read.
    """
    try:
        files = read_json(folder / NAME)["files"]
        checksums = {name: str(entry["sha256"]) for name, entry in files.items()}
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise _damage_error(folder, [f"{NAME} is not a valid manifest"]) from error
    compared = {name: _find_problem(folder / name, checksum) for name, checksum in sorted(checksums.items())}
    if problems := [f"{name} {problem}" for name, problem in compared.items() if problem]:
        raise _damage_error(folder, problems)
    return checksums


def _find_problem(path: Path, checksum: str) -> str | None:
    if not path.is_file():
        return "is missing"
    return None if sha256(path) == checksum else "has changed"


def _damage_error(folder: Path, problems: list[str]) -> UserError:
    return UserError(f"{folder} is damaged: {listing(problems)}. Copy or export it again.")
