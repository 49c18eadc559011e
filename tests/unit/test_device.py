"""GPU claims: a job claims the least used GPU, and releases it when it ends."""

import multiprocessing
import os
from collections import Counter

import pytest
import torch

from ser.core.errors import UserError
from ser.training import device

NAMES = ["GPU-a", "GPU-b", "GPU-c"]
FORK = multiprocessing.get_context("fork")  # avoids importing torch again


class Job:
    """Process that claims one of several fake GPUs and holds it."""

    def __init__(self, folder, names=NAMES):
        self._found, found = FORK.Pipe()
        self._process = FORK.Process(target=self._claim, args=(found, names, folder), daemon=True)
        self._process.start()
        self.gpu = self._found.recv()

    @staticmethod
    def _claim(found, names, folder):
        found.send(device.claim_gpu(names, folder))
        found.recv()

    def kill(self):
        """Kill the process, as in a crash."""
        self._process.kill()
        self._process.join()


@pytest.fixture
def start(tmp_path):
    """Return a function that starts jobs; kill them after the test."""
    jobs = []

    def start(*arguments):
        jobs.append(Job(tmp_path, *arguments))
        return jobs[-1]

    yield start
    for job in jobs:
        job.kill()


def test_jobs_are_spread_evenly(start):
    jobs = [start() for _ in range(7)]
    taken = Counter(job.gpu for job in jobs)
    assert sorted(taken.values()) == [2, 2, 3]
    next(job for job in jobs if job.gpu == 1).kill()
    taken[1] -= 1
    assert taken[start().gpu] == min(taken.values())


def test_gpu_is_identified_by_its_name(start):
    """A job that sees only one GPU numbers it differently from other jobs."""
    assert start(["GPU-b"]).gpu == 0
    assert start().gpu == 0  # GPU-a
    assert start().gpu == 2  # GPU-c, since GPU-b is taken


def test_folder_of_another_user_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(device.tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"ser-gpus-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="belongs to another user"):
        device.claim_gpu(NAMES)


@pytest.mark.parametrize(
    ("wanted", "visible", "message"),
    [
        ("cpu", False, None),
        ("cpu-only", True, None),
        ("auto", False, "No GPU is visible"),
        ("cpu", True, "A GPU is visible but not used"),
    ],
)
def test_job_on_the_cpu_says_if_that_is_unexpected(monkeypatch, caplog, wanted, visible, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: visible)
    assert device.choose_device(wanted) == torch.device("cpu")
    assert message in caplog.text if message else not caplog.messages
