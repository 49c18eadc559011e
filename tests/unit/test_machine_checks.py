"""Checks of the machine before any work."""

from pathlib import Path

import librosa

from ser.core import machine_checks


def test_blanks_in_the_paths_of_jobs_are_named(monkeypatch):
    assert machine_checks.blanks_in_paths() == []
    monkeypatch.setattr(machine_checks, "ROOT", Path("/data/my projects/clone"))
    monkeypatch.setattr(machine_checks.sys, "prefix", "/data/my projects/clone/.venv")
    repository, environment = machine_checks.blanks_in_paths()
    assert "repository contains a blank: /data/my projects/clone. Every job would fail" in repository
    assert "/data/my projects/clone/.venv" in environment


def test_caches_that_are_not_writable_are_named(tmp_path, monkeypatch):
    """The candidates are those of numba; root may write everywhere, so access is looked up in a set."""
    writable = {tmp_path / "home"}
    monkeypatch.setattr(machine_checks.os, "access", lambda path, _: Path(path) in writable)
    for folder in ("home", "cache", "numba"):
        (tmp_path / folder).mkdir()
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert machine_checks.missing_caches() == []  # ~/.cache can be made
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (message,) = machine_checks.missing_caches()
    assert f"neither {Path(librosa.__file__).parent} nor {tmp_path / 'cache'}. Set NUMBA_CACHE_DIR" in message
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba" / "new"))
    assert machine_checks.missing_caches()
    writable.add(tmp_path / "numba")
    assert machine_checks.missing_caches() == []
