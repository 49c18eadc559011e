"""One way to read a corpus from a folder, a zip or a tar, without unpacking it to disk.

Archives come from strangers: what points outside of one, is a link, or swells beyond reason is refused.
"""

import bz2
import gzip
import hashlib
import lzma
import os
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ser.core.errors import UserError
from ser.core.files import disk_problem, files_under, sha256

LARGEST_MEMBER = 1 << 28  # bytes that are read of one file; no recording or label file comes near it
EXPANSION = 100  # times an archive's size that its contents may have; audio reaches ten, silence included
FREE_EXPANSION = 1 << 28  # bytes that the contents may have whatever the archive's size
OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, IndexError)


class Archive:
    """Regular files of a folder, zip or tar (of any compression), by their POSIX paths inside it.

    Members whose path is absolute or leaves the archive, links and absurd expansion are refused.
    AppleDouble files (`._name`, `__MACOSX/`) are not listed. In a folder, which is the user's own,
    links are followed.

    A tar can only be read from its start. So that one as large as IEMOCAP's is read once, members
    whose path matches `wanted` are kept in a nameless temporary file as they pass.

    Raises `UserError` if the path does not exist or is no readable archive.
    """

    def __init__(self, path: str | os.PathLike, wanted: str = "(?!)"):
        self.path = Path(path)
        self._wanted = re.compile(wanted)
        self._passed: _Passed | None = None
        self._digest: str | None = None
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
            self._passed = _Passed()
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
                elif self._passed is not None and name not in self._passed and self._wanted.search(name):
                    self._passed.keep(name, read())
        return sorted(names), contents

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the wanted members that are there, with their bytes, in the archive's own order."""
        wanted = set(names)
        if self._passed is not None and all(name in self._passed for name in wanted):
            yield from self._passed.read(wanted)
            return
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
                if self._walk == self._walk_zip:
                    read()  # compares the member's checksum

    def sha256(self) -> str | None:
        """Checksum of the archive as a file; a folder has none."""
        if self.path.is_dir():
            return None
        return self._digest or sha256(self.path)

    @contextmanager
    def _damage_explained(self):
        try:
            yield
        except PermissionError as error:
            raise UserError(f"{error.filename or self.path} may not be read by you: change its permissions") from error
        except DAMAGE as error:
            if disk_problem(error):  # of the temporary file, not the archive
                raise
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
            members = file.infolist()
            self._refuse_expansion(sum(member.file_size for member in members), self.path.stat().st_size)
            for member in members:
                if stat.S_ISLNK(member.external_attr >> 16):
                    self._refuse_link(member.filename)
                if not member.is_dir():
                    yield member.filename, member.file_size, lambda member=member: file.read(member)

    def _walk_tar(self):
        with open(self.path, "rb") as raw:
            digest = hashlib.sha256()
            compressed = _Counted(raw, lambda file: digest.update(file.last))
            stream = _Counted(
                self._decompressed(compressed), lambda file: self._refuse_expansion(file.bytes, compressed.bytes)
            )
            with tarfile.open(fileobj=stream, mode="r|") as file:
                for member in file:
                    if member.issparse():
                        raise UserError(f"{self.path}: member {member.name!r} is sparse, no recording; it is refused")
                    if member.isfile():
                        yield member.name, member.size, lambda member=member: file.extractfile(member).read()
                    elif not member.isdir():
                        self._refuse_link(member.name)
                end = file.offset  # tarfile takes whatever is no header for the end
            stream.exhaust()
            if stream.zeros_from > end or stream.bytes - end < _Counted.END:
                raise EOFError("the mark at its end is missing")
            compressed.exhaust()
            self._digest = digest.hexdigest()

    def _decompressed(self, compressed):
        opener = next((opener for magic, opener in OPENERS.items() if self._start().startswith(magic)), None)
        return opener(compressed) if opener else compressed

    def _refuse_link(self, name: str):
        raise UserError(f"{self.path}: member {name!r} is a link or a device; it is refused")

    def _refuse_expansion(self, contents: int, archive: int):
        if contents > EXPANSION * archive + FREE_EXPANSION:
            raise UserError(
                f"{self.path}: {archive} bytes of it hold {contents} bytes or more, which no corpus does; it is refused"
            )

    def _is_tar(self) -> bool:
        try:
            return tarfile.is_tarfile(self.path)
        except DAMAGE:
            return False

    def _start(self) -> bytes:
        with open(self.path, "rb") as file:
            return file.read(1024)

    def _first_bytes(self) -> str:
        start = self._start()
        if not start:
            return "it is empty"
        if start.lstrip().lower().startswith((b"<!doc", b"<html")):
            title = re.search(rb"<title>\s*(.*?)\s*</title>", start, re.IGNORECASE | re.DOTALL)
            return "it is a web page" + (f" titled {title[1].decode(errors='replace')!r}" if title else "")
        if start.startswith((b"PK\x03\x04", *OPENERS)):
            return "it begins like one, but is damaged or cut short"
        return f"it starts with {start[:16]!r}"


class _Passed:
    """Members of a stream, kept in a temporary file that has no name and goes with the process."""

    def __init__(self):
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._places: dict[str, tuple[int, int]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def keep(self, name: str, content: bytes) -> None:
        self._places[name] = (self._file.seek(0, os.SEEK_END), len(content))
        self._file.write(content)

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for (start, size), name in sorted((self._places[name], name) for name in names):
            self._file.seek(start)
            yield name, self._file.read(size)


class _Counted:
    """A file read from its start to its end: how many bytes so far, and from where on they are zero."""

    END = 1024  # a tar ends in at least as many zeros

    def __init__(self, file, after_reading: Callable[["_Counted"], None]):
        self._file = file
        self._after_reading = after_reading
        self.bytes = self.zeros_from = 0
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        self.last = self._file.read(size)
        if told := len(self.last.rstrip(b"\0")):
            self.zeros_from = self.bytes + told
        self.bytes += len(self.last)
        self._after_reading(self)
        return self.last

    def exhaust(self) -> None:
        while self.read(1 << 20):
            pass
