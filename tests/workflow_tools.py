"""Tools to run the workflow in a copy of the repository and to read its plans."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path

import preloaded_snakemake
import pytest
import yaml

from ser.snakemake_support.dry_run import parse

# Background processes ignore SIGINT, and Snakemake would inherit this; some tests interrupt it.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "workflow", "config", "profiles", "envs")
SHIPPED = sorted(path.name for path in (ROOT / "resources").iterdir() if path.is_file())


class Workflow:
    """Copy of the repository, which tests may edit, with a working directory inside."""

    def __init__(self, folder: Path, directory: str = "demo"):
        self.repository = folder
        self.directory = folder / directory
        self.environment = {"PYTHONDONTWRITEBYTECODE": "1"}
        if folder.exists():  # made by another process
            return
        ignore = shutil.ignore_patterns("__pycache__")
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=ignore)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, folder / part)
        (folder / "resources").mkdir()
        for name in SHIPPED:
            shutil.copy2(ROOT / "resources" / name, folder / "resources" / name)
        (self.directory / "config").mkdir(parents=True, exist_ok=True)
        if directory == "demo":
            for part in ("speech", "checkpoints"):
                shutil.copytree(ROOT / "demo" / part, self.directory / part)

    def copy(self, folder: Path) -> "Workflow":
        """Return a copy in another folder, with all results so far."""
        shutil.copytree(self.repository, folder)
        copied = copy(self)
        copied.repository, copied.directory = folder, folder / self.directory.relative_to(self.repository)
        return copied

    def start(self, *arguments: str, output=subprocess.DEVNULL) -> subprocess.Popen:
        """Start Snakemake in a new session: a signal to its group reaches its jobs."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.repository,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | self.environment,
            start_new_session=True,
        )

    def command(self, *arguments: str) -> list[str]:
        """Return the Snakemake command line for the working directory."""
        return [sys.executable, "-m", "snakemake", "--directory", str(self.directory), *arguments]

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Do what `start` does, with fewer imports, and wait; `stdout` includes stderr."""
        command = ["--directory", str(self.directory), *arguments]
        status, output = preloaded_snakemake.run(command, self.repository, os.environ | self.environment)
        if check and status:
            raise AssertionError(output[-6000:])
        return subprocess.CompletedProcess(command, status, output)

    def planned(self, *arguments: str) -> list[tuple[str, dict[str, str]]]:
        """Return rule and wildcards of every planned job except `all`."""
        return [(job.rule, job.wildcards) for job in parse(self.run("--dry-run", *arguments).stdout)]

    def rules_planned(self, *arguments: str) -> Counter:
        """Return the number of planned jobs by rule."""
        return Counter(rule for rule, _ in self.planned(*arguments))

    def config(self) -> dict:
        """Return the configuration in the working directory."""
        return yaml.safe_load((self.directory / "config" / "config.yaml").read_text(encoding="utf-8"))

    def configure(self, config: dict) -> None:
        """Replace the configuration in the working directory."""
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        (self.directory / "config" / "config.yaml").write_text(text, encoding="utf-8")


def wait_until(
    condition: Callable[[], object], what: str, seconds: float = 240, process: subprocess.Popen | None = None
) -> None:
    """Wait for a condition while a process runs, or raise `TimeoutError`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, "the process ended early"
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.02)


@contextmanager
def small_disk(place: Path, size: str = "300k") -> Iterator[None]:
    """Mount a file system of limited size on a folder within a `with` block."""
    place.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """Make a folder read-only, even for root, within a `with` block."""
    mount("--bind", str(place), str(place))
    try:
        # remounting fails while a file is open for writing
        while subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], capture_output=True).returncode:
            time.sleep(0.02)
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def mount(*arguments: str) -> None:
    """Mount a file system, or skip the test."""
    if subprocess.run(["mount", *arguments], capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
