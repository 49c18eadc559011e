"""Archives: unsafe members are rejected, and damage is reported."""

import hashlib
import io
import os
import re
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
from conftest import write_tree

from ser.core.errors import UserError
from ser.core.files import files_under
from ser.corpora import archives
from ser.corpora.archives import Archive
from ser.demo.writing import write_archive
from ser.snakemake_support.code_hash import listing_hash


def as_tar(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.gz"])
def test_members_are_listed_and_read(tmp_path, tone, kind):
    members = {"b.wav": tone, "a.wav": tone + b"!", "c.txt": b"text", "._a.wav": b"0", "__MACOSX/a.wav": b"0"}
    path = tmp_path / f"corpus.{kind}"
    if kind == "folder":
        write_tree(path, members)
    else:
        write_archive(path, members.items())
    archive = Archive(path)
    names, texts = archive.scan(lambda name: name.endswith(".txt"))
    assert (names, texts) == (["a.wav", "b.wav", "c.txt"], {"c.txt": b"text"})
    assert dict(archive.read(["a.wav", "b.wav", "absent.wav"])) == {"a.wav": tone + b"!", "b.wav": tone}
    assert archive.sha256() == (None if kind == "folder" else hashlib.sha256(path.read_bytes()).hexdigest())


class TestRejected:
    """Rejected archives and members."""

    def test_web_page_is_rejected(self, tmp_path):
        path = tmp_path / "corpus.zip"
        path.write_text("<!DOCTYPE html><html>quota exceeded</html>")
        with pytest.raises(UserError, match="it is a web page"):
            Archive(path)
        path.write_text("<html><head><title> Quota\nexceeded </title></head></html>")
        with pytest.raises(UserError, match="it is a web page titled 'Quota"):
            Archive(path)

    def test_empty_or_missing_archive_is_rejected(self, tmp_path):
        (tmp_path / "empty.zip").touch()
        with pytest.raises(UserError, match="it is empty"):
            Archive(tmp_path / "empty.zip")
        with pytest.raises(UserError, match="does not exist: correct the path"):
            Archive(tmp_path / "nothing.zip")

    @pytest.mark.parametrize("name", ["../evil.wav", "/etc/evil.wav", "a/../../evil.wav"])
    def test_member_outside_the_archive_is_rejected(self, tmp_path, tone, name):
        as_tar(tmp_path / "corpus.tar.gz", {name: tone})
        with zipfile.ZipFile(tmp_path / "corpus.zip", "w") as archive:
            archive.writestr(name, tone)
        for path in (tmp_path / "corpus.tar.gz", tmp_path / "corpus.zip"):
            with pytest.raises(UserError, match="points outside the archive"):
                Archive(path).scan()

    @pytest.mark.parametrize("again", ["wav/a.wav", "./wav/a.wav", "wav/cafe\u0301.wav"])
    def test_duplicate_member_is_rejected(self, tmp_path, tone, again):
        """A file that was replaced by appending: unpackers take the last one."""
        members = [("wav/a.wav", tone), ("wav/caf\u00e9.wav", tone), ("b.txt", b""), (again, tone + b"new")]
        with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "corpus.zip", "w") as archive:
            warnings.simplefilter("ignore")
            for name, content in members:
                archive.writestr(name, content)
        with tarfile.open(tmp_path / "corpus.tar", "w") as archive:
            for name, content in members:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        for path in (tmp_path / "corpus.zip", tmp_path / "corpus.tar"):
            with pytest.raises(UserError, match=rf"contains '{re.escape(again)}' twice"):
                Archive(path).scan()

    def test_joined_archives_are_rejected(self, tmp_path, tone):
        """Only the members of one of the two would be found."""
        for name in ("a", "b"):
            as_tar(tmp_path / f"{name}.tar", {f"{name}.wav": tone}, mode="w")
            write_archive(tmp_path / f"{name}.zip", [(f"{name}.wav", tone)])
        for kind in ("tar", "zip"):
            joined = b"".join((tmp_path / f"{name}.{kind}").read_bytes() for name in ("a", "b"))
            (tmp_path / f"joined.{kind}").write_bytes(joined)
            with pytest.raises(UserError, match="is damaged or cut short"):
                Archive(tmp_path / f"joined.{kind}").scan()

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
    def test_links_and_devices_in_a_tar_are_rejected(self, tmp_path, kind):
        with tarfile.open(tmp_path / "corpus.tar.gz", "w:gz") as archive:
            member = tarfile.TarInfo("wav/03a01Fa.wav")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        with pytest.raises(UserError, match=r"'wav/03a01Fa.wav' is a link or a device"):
            Archive(tmp_path / "corpus.tar.gz").scan()

    def test_links_in_a_zip_are_rejected(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "corpus.zip", "w") as archive:
            member = zipfile.ZipInfo("wav/03a01Fa.wav")
            member.external_attr = 0o120777 << 16
            archive.writestr(member, "/etc/passwd")
        with pytest.raises(UserError, match="is a link or a device"):
            Archive(tmp_path / "corpus.zip").scan()

    def test_links_in_a_folder_are_followed_once(self, tmp_path, tone):
        write_tree(tmp_path / "elsewhere", {"b.wav": tone})
        write_tree(tmp_path / "corpus", {"a.wav": tone})
        (tmp_path / "corpus" / "linked").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "corpus" / "loop").symlink_to(tmp_path / "corpus")
        (tmp_path / "corpus" / "dangling.wav").symlink_to(tmp_path / "nothing")
        assert Archive(tmp_path / "corpus").scan()[0] == ["a.wav", "linked/b.wav"]

    def test_oversized_member_is_rejected(self, tmp_path, monkeypatch, tone):
        monkeypatch.setattr(archives, "LARGEST_MEMBER", len(tone) - 1)
        write_archive(tmp_path / "corpus.zip", [("video.avi", tone + tone), ("a.wav", tone)])
        assert Archive(tmp_path / "corpus.zip").scan()[0] == ["a.wav", "video.avi"]
        with pytest.raises(UserError, match=r"member 'a.wav' has \d+ bytes; at most \d+ are allowed"):
            list(Archive(tmp_path / "corpus.zip").read(["a.wav"]))

    def test_backslashes_separate_folders(self, tmp_path, tone):
        write_archive(tmp_path / "corpus.zip", [("wav\\a.wav", tone)])
        assert [name for name, _ in Archive(tmp_path / "corpus.zip").read(["wav/a.wav"])] == ["wav/a.wav"]
        write_archive(tmp_path / "evil.zip", [("..\\a.wav", tone)])
        with pytest.raises(UserError, match="points outside the archive"):
            Archive(tmp_path / "evil.zip").scan()


# In stream mode, tarfile does not verify the checksum of a .tar.gz.
class TestDamage:
    """Damaged downloads, detected by reading the archive once."""

    @pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
    def test_truncation_at_any_position_is_detected(self, tmp_path, kind):
        rng = np.random.default_rng(1)
        members = {f"wav/{number}.wav": rng.bytes(512 * number) for number in range(1, 8)}
        path = tmp_path / f"corpus.{kind}"
        if kind == "zip":
            write_archive(path, members.items())
        else:
            as_tar(path, members, f"w:{kind[4:]}")
        whole = path.read_bytes()
        Archive(path).check()
        for end in {*range(0, len(whole), 512), *range(7, len(whole), 997)}:
            path.write_bytes(whole[:end])
            with pytest.raises(UserError, match=r"damaged or cut short|readable zip or tar"):
                Archive(path).check()

    @pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2"])
    def test_flipped_bit_is_detected(self, tmp_path, kind):
        path, members = tmp_path / f"corpus.{kind}", {"a.wav": np.random.default_rng(1).bytes(5_000)}
        if kind == "zip":
            write_archive(path, members.items())
        else:
            as_tar(path, members, f"w:{kind[4:]}")
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"damaged or cut short|readable zip or tar"):
            Archive(path).check()

    def test_names_that_are_not_utf_8(self, tmp_path, tone):
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "a.wav").write_bytes(tone)
        with open(os.fsencode(folder) + b"/erkl\xe4rung.txt", "wb") as file:
            file.write(b"text")
        names, _ = Archive(folder).scan()
        assert len(names) == 2
        assert len(listing_hash(files_under(folder))) == 16
