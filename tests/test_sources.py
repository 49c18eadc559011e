"""Downloads over a real local server: right bytes, wrong bytes, no server."""

import functools
import hashlib
import http.server
import threading
import zipfile

import pytest

from ser import sources
from ser.errors import UserError


@pytest.fixture
def server(tmp_path):
    (tmp_path / "served").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "served")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield tmp_path / "served", f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_fetches_the_bytes_and_checks_them(tmp_path, server):
    folder, url = server
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("a.wav", bytes(range(256)) * 1000)
    content = (folder / "a.zip").read_bytes()
    checksum = f"md5:{hashlib.md5(content).hexdigest()}"
    sources.fetch({"url": f"{url}/a.zip", "checksum": checksum}, tmp_path / "out" / "a.zip")
    assert (tmp_path / "out" / "a.zip").read_bytes() == content
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.zip"]
    assert (tmp_path / "out" / "a.zip").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(("path", "reason"), [("a.zip", "hash"), ("missing.zip", "404")])
def test_wrong_or_missing_bytes_leave_nothing_behind(tmp_path, server, path, reason):
    folder, url = server
    (folder / "a.zip").write_bytes(b"other")
    with pytest.raises(UserError, match=rf"(?s){reason}.*set `path`"):
        sources.fetch({"url": f"{url}/{path}", "checksum": "md5:" + "0" * 32}, tmp_path / "out" / "a.zip")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_web_page_is_no_archive(tmp_path, server):
    folder, url = server
    (folder / "a.zip").write_text("<!DOCTYPE html><html>quota exceeded</html>")
    with pytest.raises(UserError, match="it is a web page"):
        sources.fetch({"url": f"{url}/a.zip"}, tmp_path / "out" / "a.zip")
    assert list((tmp_path / "out").iterdir()) == []


def test_no_server(tmp_path):
    with pytest.raises(UserError, match="could not be fetched"):
        sources.fetch({"url": "http://127.0.0.1:9/a.zip"}, tmp_path / "a.zip")


def test_entries_of_one_source_share_an_archive():
    plain = {"format": "emodb", "url": None}
    assert sources.archive_name("EMODB", plain) == sources.archive_name("EMODB-drop", plain)
    mirror = {"format": "emodb", "url": "http://example.org/x.zip"}
    assert sources.archive_name("EMODB", mirror) != sources.archive_name("EMODB", plain)


def test_licensed_corpus_is_refused_with_the_way_to_get_it():
    refusal = sources.refusal("IEMOCAP", {"format": "iemocap", "url": None})
    assert "corpora.IEMOCAP.path" in refusal
    assert "https://sail.usc.edu/iemocap/" in refusal
    assert sources.refusal("URDU", {"format": "urdu", "url": None}) is None


def test_every_environment_of_the_paper_is_published():
    for environment in ("DKITCHEN", "NPARK", "PSTATION", "STRAFFIC", "PCAFETER"):
        source = sources.noise_source("demand", environment)
        assert source["url"].endswith(f"{environment}_16k.zip")
        assert source["checksum"].startswith("md5:")
    with pytest.raises(UserError, match="has no environment 'NOWHERE'"):
        sources.noise_source("demand", "NOWHERE")
