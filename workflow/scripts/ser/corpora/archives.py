"""One way to read a corpus from a folder, a zip or a tar, without unpacking it to disk.

Archives are untrusted: a member that points outside the archive, is a link, or is larger than any recording is refused.
"""

import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ser.core.errors import UserError
from ser.core.files import files_under
from ser.core.integrity import sha256

LARGEST_MEMBER = 1 << 28  # bytes that are read of one file; no recording or label file comes near it
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, IndexError)


class Archive:
    """Regular files of a folder, zip or tar (of any compression), by their POSIX paths inside it.

    AppleDouble files (`._name`, `__MACOSX/`) are not listed. In a folder, which is the user's own, links are followed.

    Raises `UserError` if the path does not exist or is no readable archive.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        if self.path.is_dir():
            self._walk = self._walk_folder
        elif not self.path.is_file():
            raise UserError(f"{self.path}: no such file or folder")
        elif not os.access(self.path, os.R_OK):
            raise UserError(f"{self.path} may not be read by you: change its permissions")
        elif zipfile.is_zipfile(self.path):
            self._walk = self._walk_zip
        elif self._is_tar():
            self._walk = self._walk_tar
        else:
            raise UserError(
                f"{self.path} is neither a folder nor a readable zip or tar archive ({self._first_bytes()})."
                " Fetch it again, or point the path at the right file."
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
        """Yield the wanted members that are there, with their bytes, in the archive's own order."""
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

    def check(self) -> None:
        """Read everything once. Raises `UserError` if a byte of it is damaged or missing."""
        with self._damage_explained():
            for _name, read in self._members():
                read()

    def sha256(self) -> str | None:
        """Checksum of the archive as a file; a folder has none."""
        return None if self.path.is_dir() else sha256(self.path)

    @contextmanager
    def _damage_explained(self):
        try:
            yield
        except PermissionError as error:
            raise UserError(f"{error.filename or self.path} may not be read by you: change its permissions") from error
        except DAMAGE as error:
            raise UserError(f"{self.path} is damaged or cut short ({error}). Fetch it again.") from error
        except (RuntimeError, NotImplementedError) as error:  # zipfile's words for encryption and unknown compression
            raise UserError(f"{self.path} cannot be read: {error}. Pack it again without a password.") from error

    def _members(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        for name, size, read in self._walk():
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts:
                raise UserError(f"{self.path}: member {name!r} points outside the archive; it is refused")
            if not path.name.startswith("._") and "__MACOSX" not in path.parts:
                yield str(path), lambda name=name, size=size, read=read: self._read_member(name, size, read)

    def _read_member(self, name: str, size: int, read: Callable[[], bytes]) -> bytes:
        if size > LARGEST_MEMBER:
            raise UserError(f"{self.path}: member {name!r} has {size} bytes, more than any recording; it is refused")
        return read()

    def _walk_folder(self):
        for path in files_under(self.path):
            yield path.relative_to(self.path).as_posix(), path.stat().st_size, path.read_bytes

    def _walk_zip(self):
        with zipfile.ZipFile(self.path) as file:
            for member in file.infolist():
                if stat.S_ISLNK(member.external_attr >> 16):
                    self._refuse_link(member.filename)
                if not member.is_dir():
                    yield member.filename, member.file_size, lambda member=member: file.read(member)

    def _walk_tar(self):
        with tarfile.open(self.path) as file:
            for member in file:
                if member.isfile():
                    yield member.name, member.size, lambda member=member: file.extractfile(member).read()
                elif not member.isdir():
                    self._refuse_link(member.name)
            while file.fileobj.read(1 << 20):  # to the end of the compressed stream, where its checksum is
                pass

    def _refuse_link(self, name: str):
        raise UserError(f"{self.path}: member {name!r} is a link or a device; it is refused")

    def _is_tar(self) -> bool:
        try:
            return tarfile.is_tarfile(self.path)
        except DAMAGE:
            return False

    def _first_bytes(self) -> str:
        with open(self.path, "rb") as file:
            start = file.read(1024)
        if not start:
            return "it is empty"
        if start.lstrip().lower().startswith((b"<!doc", b"<html")):
            title = re.search(rb"<title>\s*(.*?)\s*</title>", start, re.IGNORECASE | re.DOTALL)
            return "it is a web page" + (f" titled {title[1].decode(errors='replace')!r}" if title else "")
        return f"it starts with {start[:16]!r}"
