"""Reading a corpus from a folder, zip or tar without unpacking it to disk.

Archives are untrusted: members that point outside the archive, are links, or are larger than 256 MiB raise an
error.
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

from ser.core import identity
from ser.core.errors import UserError
from ser.core.files import files_under, sha256

LARGEST_MEMBER = 1 << 28  # bytes; far more than any recording or label file
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, IndexError)


class Archive:
    """Regular files of a folder, zip or tar, by their POSIX paths inside it.

    A tar may have any compression. AppleDouble files (`._name`, `__MACOSX/`) are not listed. Links are followed in
    a folder only.

    Raises `UserError` if the path does not exist or is not a readable archive.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        if self.path.is_dir():
            self._walk = self._walk_folder
        elif not self.path.is_file():
            raise UserError(f"{self.path} does not exist: correct the path")
        elif not os.access(self.path, os.R_OK):
            raise UserError(f"{self.path} cannot be read: change its permissions")
        elif zipfile.is_zipfile(self.path):
            self._walk = self._walk_zip
        elif self._is_tar():
            self._walk = self._walk_tar
        else:
            raise UserError(
                f"{self.path} is neither a folder nor a readable zip or tar archive ({self._first_bytes()})."
                " Download it again, or correct the path."
            )

    def scan(self, keep: Callable[[str], bool] = lambda name: False) -> tuple[list[str], dict[str, bytes]]:
        """Return all names, sorted, and the contents of those that `keep` accepts."""
        names, contents = [], {}
        with self._explain_damage():
            for name, read in self._members():
                names.append(name)
                if keep(name):
                    contents[name] = read()
        return sorted(names), contents

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the named members that exist, with their bytes, in archive order."""
        remaining = set(names)
        members = self._members()
        while remaining:
            with self._explain_damage():
                name, read = next(members, (None, None))
                if name is None:
                    return
                if name not in remaining:
                    continue
                content = read()
            remaining.remove(name)
            yield name, content

    def check(self) -> None:
        """Read all members. Raises `UserError` if any is damaged or incomplete."""
        with self._explain_damage():
            for _name, read in self._members():
                read()

    def sha256(self) -> str | None:
        """Return the checksum of the archive file, or None for a folder."""
        return None if self.path.is_dir() else sha256(self.path)

    @contextmanager
    def _explain_damage(self):
        try:
            yield
        except PermissionError as error:
            raise UserError(f"{error.filename or self.path} cannot be read: change its permissions") from error
        except DAMAGE as error:
            raise UserError(f"{self.path} is damaged or cut short ({error}). Download it again.") from error
        except (RuntimeError, NotImplementedError) as error:  # zipfile: encryption, unsupported compression
            raise UserError(
                f"{self.path} cannot be read: {error}. Pack it again with standard compression and no password."
            ) from error

    def _members(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        seen = set()
        for name, size, read in self._walk():
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts:
                raise UserError(f"{self.path}: member {name!r} points outside the archive. Remove it.")
            if (normal := identity.normalise(str(path))) in seen:
                raise UserError(
                    f"{self.path} contains {name!r} twice, and only one of the two would be used. Remove one: unpack an"
                    " archive for this, and pack it again."
                )
            seen.add(normal)
            if not path.name.startswith("._") and "__MACOSX" not in path.parts:
                yield str(path), lambda name=name, size=size, read=read: self._read_member(name, size, read)

    def _read_member(self, name: str, size: int, read: Callable[[], bytes]) -> bytes:
        if size > LARGEST_MEMBER:
            raise UserError(
                f"{self.path}: member {name!r} has {size} bytes; at most {LARGEST_MEMBER} are allowed. Remove it."
            )
        return read()

    def _walk_folder(self):
        for path in files_under(self.path):
            yield path.relative_to(self.path).as_posix(), path.stat().st_size, path.read_bytes

    def _walk_zip(self):
        with zipfile.ZipFile(self.path) as file:
            if min((member.header_offset for member in file.infolist()), default=0):
                raise zipfile.BadZipFile("data precedes the first member, as if two archives were joined")
            for member in file.infolist():
                if stat.S_ISLNK(member.external_attr >> 16):
                    self._raise_link_error(member.filename)
                if not member.is_dir():
                    yield member.filename, member.file_size, lambda member=member: file.read(member)

    def _walk_tar(self):
        with tarfile.open(self.path) as file:
            for member in file:
                if member.isfile():
                    yield member.name, member.size, lambda member=member: file.extractfile(member).read()
                elif not member.isdir():
                    self._raise_link_error(member.name)
            while rest := file.fileobj.read(1 << 20):  # the checksum is at the end of the compressed stream
                if rest.strip(b"\0"):
                    raise tarfile.ReadError("data follows the last member that can be read")

    def _raise_link_error(self, name: str):
        raise UserError(f"{self.path}: member {name!r} is a link or a device. Remove it.")

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
