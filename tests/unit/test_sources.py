"""Downloads from a local server, with faults of the server and the content."""

import hashlib
import io
import zipfile

import numpy as np
import pytest
from local_server import serve

from ser.core.errors import UserError
from ser.corpora import download


def zip_of(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.wav", content)
    return buffer.getvalue()


CONTENT = zip_of(np.random.default_rng(1).bytes(300_000))
CHECKSUM = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
PAGE = b"<!DOCTYPE html><html><head><title>Quota exceeded</title></head></html>"


def assert_rejected(tmp_path, url: str, reason: str, checksum: str | None) -> None:
    """Assert that a download fails with a reason and a remedy, and leaves no file."""
    with pytest.raises(UserError, match=rf"(?s){reason}.*set `path`"):
        download.fetch({"url": url, "checksum": checksum}, tmp_path / "out" / "a.zip")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("checksum", [CHECKSUM, None], ids=["published", "none"])
def test_file_is_downloaded_once_and_checked(tmp_path, checksum):
    path = tmp_path / "out" / "a.zip"
    with serve({"/a.zip": CONTENT}) as server:
        download.fetch({"url": f"{server.url}/a.zip", "checksum": checksum}, path)
        assert server.requests == ["/a.zip"]
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == ["a.zip"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("served", "options", "checksum", "reason"),
    [
        (zip_of(b"other"), {}, CHECKSUM, "hash"),
        (CONTENT, {"fail_first": 99}, CHECKSUM, "500"),
        (CONTENT, {"stop_after": 100_000}, CHECKSUM, "IncompleteRead"),
        (CONTENT, {"stop_after": 100_000}, None, "IncompleteRead"),
        (CONTENT, {"stop_after": 0, "stall": 2}, CHECKSUM, "timed out"),
        (PAGE, {}, None, "the downloaded file .*it is a web page titled 'Quota exceeded'"),
        (CONTENT[:150_000], {}, None, "damaged or cut short|it starts with"),
        (b"", {}, None, "it is empty"),
    ],
    ids=["wrong bytes", "500", "cut off", "cut off, no checksum", "timeout", "web page", "half an archive", "empty"],
)
def test_faulty_download_is_rejected(tmp_path, monkeypatch, served, options, checksum, reason):
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    with serve({"/a.zip": served}, **options) as server:
        assert_rejected(tmp_path, f"{server.url}/a.zip", reason, checksum)


def test_missing_file_is_rejected(tmp_path):
    with serve({}) as server:
        assert_rejected(tmp_path, f"{server.url}/a.zip", "404", CHECKSUM)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a.zip", "file:///etc/passwd", "nonsense"])
def test_unreachable_url_is_rejected(tmp_path, url):
    assert_rejected(tmp_path, url, "could not be downloaded", CHECKSUM)


def test_archive_that_fails_its_check_is_not_kept(tmp_path):
    def check(path):
        raise UserError(f"{path} does not hold the 535 files")

    with (
        serve({"/a.zip": CONTENT}) as server,
        pytest.raises(UserError, match="the downloaded file does not hold the 535 files"),
    ):
        download.fetch({"url": f"{server.url}/a.zip"}, tmp_path / "out" / "a.zip", check)
    assert list((tmp_path / "out").iterdir()) == []


def test_every_environment_of_the_paper_has_a_source():
    noise = {"format": "demand", "url": None}
    for environment in ("DKITCHEN", "NPARK", "PSTATION", "STRAFFIC", "PCAFETER"):
        source = download.noise_source(noise, environment)
        assert source["url"].endswith(f"{environment}_16k.zip")
        assert source["checksum"].startswith("md5:")
    moved = download.noise_source(noise | {"url": "http://example.org/{environment}.zip"}, "NPARK")
    assert moved["url"] == "http://example.org/NPARK.zip"
    assert moved["checksum"] == "md5:80f1385a34d7f1705758926b57f138ce"
