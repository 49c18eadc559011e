"""Downloads over a real local server: right bytes, wrong bytes, no server, and servers that misbehave."""

import hashlib
import io
import time
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


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.01)
    monkeypatch.setattr(download, "TIMEOUT", 0.5)


def fetched(tmp_path, url: str, checksum: str | None = CHECKSUM) -> bytes:
    path = tmp_path / "out" / "a.zip"
    download.fetch({"url": url, "checksum": checksum}, path)
    assert [file.name for file in path.parent.iterdir()] == ["a.zip"]
    assert path.stat().st_mode & 0o777 == 0o644
    return path.read_bytes()


def refused(tmp_path, url: str, reason: str, checksum: str | None = CHECKSUM) -> None:
    with pytest.raises(UserError, match=rf"(?s){reason}.*set `path`"):
        download.fetch({"url": url, "checksum": checksum}, tmp_path / "out" / "a.zip")
    assert list((tmp_path / "out").iterdir()) == []


def test_fetches_the_bytes_and_checks_them(tmp_path):
    with serve({"/a.zip": CONTENT}) as server:
        assert fetched(tmp_path, f"{server.url}/a.zip") == CONTENT
        assert server.requests == ["/a.zip"]


class TestServersThatRecover:
    """The right bytes in the end, each asked for once where the server allows it."""

    def test_fails_twice(self, tmp_path):
        with serve({"/a.zip": CONTENT}, fail_first=2) as server:
            assert fetched(tmp_path, f"{server.url}/a.zip") == CONTENT
            assert len(server.requests) == 3

    @pytest.mark.parametrize("checksum", [CHECKSUM, None])
    def test_cuts_the_connection_midway(self, tmp_path, checksum):
        with serve({"/a.zip": CONTENT}, cut_after=100_000) as server:
            assert fetched(tmp_path, f"{server.url}/a.zip", checksum) == CONTENT
            assert server.ranges[1] == f"bytes={100_000 // download.CHUNK * download.CHUNK}-"
            assert server.sent < len(CONTENT) + download.CHUNK * len(server.requests)

    def test_cuts_more_often_than_there_are_attempts(self, tmp_path):
        with serve({"/a.zip": CONTENT}, cut_after=20_000) as server:
            assert fetched(tmp_path, f"{server.url}/a.zip") == CONTENT
            assert len(server.requests) > 2 * download.ATTEMPTS

    def test_cuts_and_cannot_continue(self, tmp_path):
        with serve({"/a.zip": CONTENT}, cut_after=100_000, cuts=2, ranges=False) as server:
            assert fetched(tmp_path, f"{server.url}/a.zip") == CONTENT
            assert server.sent == len(CONTENT) + 200_000

    def test_cuts_once_and_refuses_to_continue(self, tmp_path):
        with serve({"/a.zip": CONTENT}, cut_after=100_000, cuts=1, refuses_parts=True) as server:
            assert fetched(tmp_path, f"{server.url}/a.zip") == CONTENT
            assert server.ranges[1:] == [f"bytes={100_000 // download.CHUNK * download.CHUNK}-", None]

    def test_stalls_once(self, tmp_path):
        with serve({"/a.zip": CONTENT}, stall_after=150_000, stalls=1) as server:
            started = time.monotonic()
            assert fetched(tmp_path, f"{server.url}/a.zip") == CONTENT
            assert time.monotonic() - started < 5

    def test_changes_between_two_parts(self, tmp_path):
        other = zip_of(b"another")
        with serve({"/a.zip": CONTENT}, cut_after=100_000, then={"/a.zip": other}) as server:
            assert fetched(tmp_path, f"{server.url}/a.zip", None) == other
            assert server.ranges[0] is None
            assert server.ranges[1].startswith("bytes=")
            assert len(server.ranges) == 2

    def test_sends_another_part_than_asked(self, tmp_path):
        with serve({"/a.zip": CONTENT}, cut_after=100_000, cuts=1, wrong_part=True) as server:
            assert fetched(tmp_path, f"{server.url}/a.zip", None) == CONTENT


class TestServersThatDoNot:
    """A clear failure, and nothing left behind."""

    def test_wrong_bytes(self, tmp_path):
        with serve({"/a.zip": zip_of(b"other")}) as server:
            refused(tmp_path, f"{server.url}/a.zip", "hash")

    def test_missing(self, tmp_path):
        with serve({}) as server:
            refused(tmp_path, f"{server.url}/a.zip", "404")
            assert len(server.requests) == 1

    def test_always_fails(self, tmp_path):
        with serve({"/a.zip": CONTENT}, fail_first=99) as server:
            refused(tmp_path, f"{server.url}/a.zip", "500")
            assert len(server.requests) == download.ATTEMPTS

    def test_stalls_for_ever(self, tmp_path):
        with serve({"/a.zip": CONTENT}, stall_after=0) as server:
            refused(tmp_path, f"{server.url}/a.zip", "timed out")

    @pytest.mark.parametrize("checksum", [CHECKSUM, None])
    def test_claims_less_than_there_is(self, tmp_path, checksum):
        with serve({"/a.zip": CONTENT}, claims=200_000) as server:
            refused(tmp_path, f"{server.url}/a.zip", "hash" if checksum else "damaged or cut short", checksum)

    @pytest.mark.parametrize("checksum", [CHECKSUM, None])
    def test_claims_more_than_there_is(self, tmp_path, checksum):
        with serve({"/a.zip": CONTENT}, claims=400_000, ranges=False) as server:
            refused(tmp_path, f"{server.url}/a.zip", "IncompleteRead", checksum)

    def test_a_web_page_is_no_archive(self, tmp_path):
        page = b"<!DOCTYPE html><html><head><title>Quota exceeded</title></head></html>"
        with serve({"/a.zip": page}) as server:
            refused(tmp_path, f"{server.url}/a.zip", "what it sent .*it is a web page titled 'Quota exceeded'", None)

    @pytest.mark.parametrize("end", [0, 20, 150_000, len(CONTENT) - 1])
    def test_half_an_archive(self, tmp_path, end):
        with serve({"/a.zip": CONTENT[:end]}) as server:
            refused(tmp_path, f"{server.url}/a.zip", "damaged or cut short|it is empty|it starts with", None)

    def test_no_server(self, tmp_path):
        refused(tmp_path, "http://127.0.0.1:9/a.zip", "Connection refused")

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a.zip", "nonsense"])
    def test_no_such_scheme(self, tmp_path, url):
        refused(tmp_path, url, "could not be fetched")


def test_entries_of_one_source_share_an_archive():
    plain = {"format": "emodb", "url": None}
    assert download.archive_name("EMODB", plain) == download.archive_name("EMODB-drop", plain)
    mirror = {"format": "emodb", "url": "http://example.org/x.tar.gz"}
    assert download.archive_name("EMODB", mirror) == "EMODB-mirror.tar.gz"


def test_licensed_corpus_is_refused_with_the_way_to_get_it():
    refusal = download.refusal("IEMOCAP", {"format": "iemocap", "url": None})
    assert "corpora.IEMOCAP.path" in refusal
    assert "https://sail.usc.edu/iemocap/" in refusal
    assert "config/open.yaml" in refusal
    assert download.refusal("URDU", {"format": "urdu", "url": None}) is None


def test_every_environment_of_the_paper_is_published():
    noise = {"format": "demand", "url": None}
    for environment in ("DKITCHEN", "NPARK", "PSTATION", "STRAFFIC", "PCAFETER"):
        source = download.noise_source(noise, environment)
        assert source["url"].endswith(f"{environment}_16k.zip")
        assert source["checksum"].startswith("md5:")
    moved = download.noise_source(noise | {"url": "http://example.org/{environment}.zip"}, "NPARK")
    assert moved["url"] == "http://example.org/NPARK.zip"
    assert moved["checksum"] == "md5:80f1385a34d7f1705758926b57f138ce"
    with pytest.raises(UserError, match="has no environment 'NOWHERE'"):
        download.noise_source(noise, "NOWHERE")


class TestServersThatNeverContinue:
    """Attempts that came no further are counted, whatever the server says."""

    @pytest.mark.parametrize("refuses", [True, "always"])
    def test_416(self, tmp_path, refuses):
        with serve({"/a.zip": CONTENT}, cut_after=100_000, refuses_parts=refuses) as server:
            refused(tmp_path, f"{server.url}/a.zip", "416|cut|broken|Incomplete")
            assert len(server.requests) <= 2 * download.ATTEMPTS


def test_what_its_users_would_refuse_is_not_kept(tmp_path):
    def check(path):
        raise UserError(f"{path} does not hold the 535 files")

    with (
        serve({"/a.zip": CONTENT}) as server,
        pytest.raises(UserError, match="what it sent does not hold the 535 files"),
    ):
        download.fetch({"url": f"{server.url}/a.zip"}, tmp_path / "out" / "a.zip", check)
    assert list((tmp_path / "out").iterdir()) == []
