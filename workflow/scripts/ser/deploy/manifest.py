"""Checksums of a folder's files, which show damage."""

import json
from collections.abc import Iterable
from pathlib import Path

from ser.core.errors import UserError, listing
from ser.core.files import read_json, sha256, write_json

NAME = "manifest.json"


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
        raise UserError(f"{folder} is damaged: {NAME} is not a valid manifest. Copy or export it again.") from error
    compared = {name: _find_problem(folder / name, checksum) for name, checksum in sorted(checksums.items())}
    if problems := [f"{name} {problem}" for name, problem in compared.items() if problem]:
        raise UserError(f"{folder} is damaged: {listing(problems)}. Copy or export it again.")
    return checksums


def _find_problem(path: Path, checksum: str) -> str | None:
    if not path.is_file():
        return "is missing"
    return None if sha256(path) == checksum else "has changed"
