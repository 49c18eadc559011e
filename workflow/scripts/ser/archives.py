"""One way to read a corpus from a folder, a zip or a tar, without unpacking it to disk."""

import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ser.errors import UserError

LARGEST_MEMBER = 1 << 30  # bytes; no recording or label file comes near it


class Archive:
    """Regular files of a folder, zip or tar (of any compression), by their POSIX paths inside it.

    Nothing is written to disk, links are not followed, and members whose path is absolute or
    leaves the archive are refused. AppleDouble files (`._name`, `__MACOSX/`) are not listed.

    Raises `UserError` if the path does not exist or is no readable archive.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        if self.path.is_dir():
            self._walk = self._walk_folder
        elif not self.path.is_file():
            raise UserError(f"{self.path}: no such file or folder")
        elif zipfile.is_zipfile(self.path):
            self._walk = self._walk_zip
        elif tarfile.is_tarfile(self.path):
            self._walk = self._walk_tar
        else:
            raise UserError(
                f"{self.path} is neither a folder nor a readable zip or tar archive"
                f" ({self._first_bytes()}). Fetch it again, or point the path at the right file."
            )

    def scan(self, keep: Callable[[str], bool] = lambda name: False) -> tuple[list[str], dict[str, bytes]]:
        """List all names, sorted, and read those that `keep` accepts, in one pass."""
        names, contents = [], {}
        with self._damage_explained():
            for name, read in self._members():
                names.append(name)
                if keep(name):
                    contents[name] = read()
        return sorted(names), contents

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the wanted members that are there, with their bytes, in the archive's own order, in one pass."""
        wanted = set(names)
        members = self._members()
        while wanted:
            with self._damage_explained():
                name, read = next(members, (None, None))
                if name is None:
                    return
                if name not in wanted:
                    continue
                content = read()
            wanted.remove(name)
            yield name, content

    @contextmanager
    def _damage_explained(self):
        try:
            yield
        except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
            raise UserError(f"{self.path} is damaged or cut short ({error}). Fetch it again.") from error
        except (RuntimeError, NotImplementedError) as error:  # zipfile's words for encryption and unknown compression
            raise UserError(f"{self.path} cannot be read: {error}. Pack it again without a password.") from error

    def _members(self):
        for name, size, read in self._walk():
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts:
                raise UserError(f"{self.path}: member {name!r} points outside the archive; it is refused")
            if path.name.startswith("._") or "__MACOSX" in path.parts:
                continue
            if size > LARGEST_MEMBER:
                raise UserError(f"{self.path}: member {name!r} claims {size} bytes; it is refused")
            yield str(path), read

    def _walk_folder(self):
        for folder, subfolders, files in os.walk(self.path):
            subfolders.sort()
            for file in sorted(files):
                path = Path(folder, file)
                if path.is_file() and not path.is_symlink():
                    yield path.relative_to(self.path).as_posix(), path.stat().st_size, path.read_bytes

    def _walk_zip(self):
        with zipfile.ZipFile(self.path) as file:
            for member in file.infolist():
                if not member.is_dir():
                    yield member.filename, member.file_size, lambda member=member: file.read(member)

    def _walk_tar(self):
        with tarfile.open(self.path, "r|*") as file:
            for member in file:
                if member.isfile():
                    yield member.name, member.size, lambda member=member: file.extractfile(member).read()

    def _first_bytes(self) -> str:
        with open(self.path, "rb") as file:
            start = file.read(16)
        if not start:
            return "it is empty"
        return (
            "it is a web page"
            if start.lstrip().lower().startswith((b"<!doc", b"<html"))
            else f"it starts with {start!r}"
        )
