"""Jobs on several GPUs: counted without CUDA, taken by the least used, given back whatever happens."""

import glob
import os
import re
import subprocess
import sys
from collections import Counter

import pytest
from conftest import ROOT
from workflow_tools import Workflow

from ser.core.errors import UserError
from ser.training import gpus

NAMES = ["GPU-a", "GPU-b", "GPU-c"]
JOB = "import sys; from ser import gpus; print(gpus.claim(sys.argv[2:], sys.argv[1]), flush=True); sys.stdin.read()"


class Job:
    """A process that claims one of some GPUs, which stand in for real ones, and holds it."""

    def __init__(self, folder, names=NAMES):
        environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", JOB, str(folder), *names],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def gpu(self):
        return int(self.process.stdout.readline())

    def kill(self):
        self.process.kill()
        self.process.wait()


class TestClaims:
    """Parallel jobs spread over GPUs by themselves."""

    def test_jobs_started_at_once_spread_evenly(self, tmp_path):
        jobs = [Job(tmp_path) for _ in range(7)]
        try:
            taken = [job.gpu() for job in jobs]
            assert sorted(Counter(taken).values()) == [2, 2, 3]
            freed = jobs[taken.index(1)]
            freed.kill()  # as if by SIGKILL or a crash: nothing is left to clean up
            after = Job(tmp_path)
            jobs.append(after)
            expected = Counter(taken)
            expected[1] -= 1
            assert expected[after.gpu()] == min(expected.values())
        finally:
            for job in jobs:
                job.kill()

    def test_a_job_that_sees_one_gpu_counts_there(self, tmp_path):
        """A GPU is known by its own name, whatever number it has for a process."""
        jobs = [Job(tmp_path, ["GPU-b"])]
        try:
            assert jobs[0].gpu() == 0
            jobs += [Job(tmp_path)]
            assert jobs[1].gpu() == 0  # GPU-a
            jobs += [Job(tmp_path)]
            assert jobs[2].gpu() == 2  # GPU-c, since GPU-b is taken
        finally:
            for job in jobs:
                job.kill()

    def test_a_folder_of_someone_else_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / f"ser-gpus-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(UserError, match="belongs to someone else"):
            gpus.claim(NAMES)


class TestCount:
    """Without CUDA, since a workflow's start must not wait for it."""

    @pytest.mark.parametrize(
        ("chosen", "expected"),
        [(None, 4), ("", 0), ("-1", 0), ("2", 1), ("0,3", 2), ("GPU-1, GPU-2,GPU-3", 3), ("1,-1,2", 1)],
    )
    def test_visible(self, monkeypatch, chosen, expected):
        monkeypatch.setattr(glob, "glob", lambda pattern: [f"/dev/nvidia{i}" for i in range(4)])
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if chosen is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        assert gpus.visible() == expected

    def test_none(self, monkeypatch):
        monkeypatch.setattr(glob, "glob", lambda pattern: [])
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        assert gpus.visible() == 0

    @pytest.mark.parametrize(
        ("devices", "arguments", "expected"),
        [(3, (), ["3"]), (3, ("--resources", "gpu=12"), ["12"]), (0, (), [])],
    )
    def test_as_many_jobs_at_a_time(self, tmp_path, devices, arguments, expected):
        workflow = Workflow(tmp_path / "repository")
        (workflow.directory / "config/config.yaml").write_bytes((ROOT / "demo/config/config.yaml").read_bytes())
        module = workflow.repository / "workflow/scripts/ser/training/gpus.py"
        text = module.read_text(encoding="utf-8")
        assert "/dev/nvidia[0-9]*" in text
        module.write_text(text.replace("/dev/nvidia", f"{tmp_path}/nvidia"), encoding="utf-8")
        for i in range(devices):
            (tmp_path / f"nvidia{i}").touch()
        output = workflow.run("--cores", "8", "results/corpora/English/archive.json", *arguments).stdout
        assert re.findall(r"^Provided resources: gpu\D+(\d+)", output, re.MULTILINE) == expected
