"""Workflow on a local Slurm cluster: end to end, and with failing jobs."""

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import slurm_cluster
from conftest import SMALL_EMOVO, noise_bytes, write_tree
from workflow_tools import Workflow, wait_until

from ser.snakemake_support.dry_run import parse

if reason := slurm_cluster.unavailable_reason():
    pytest.skip(f"NO SLURM, SO THE CLUSTER PROFILE IS NOT TESTED: {reason}", allow_module_level=True)

TABLE = "results/tables/table2.csv"
RUN = "cnn-lstm/FIRST-to-any/0-shot/seed1"
WEIGHTS = f"results/runs/{RUN}/weights.safetensors"
CONFIG = {
    "seeds": [1],
    "corpora": {
        name: {"format": "emovo", "language": "Italian", "path": name.lower(), "verify": "none"}
        for name in ("FIRST", "SECOND")
    },
    "few_shot": {"pool_per_emotion": 2},
    "training": {"epochs": 10, "batch_size": 4},
    "models": {"cnn-lstm": {"title": "CNN-LSTM", "family": "cnn-lstm", "resources": {"mem_mb": 1500, "runtime": 20}}},
    "experiments": {"table2": {"models": ["cnn-lstm"], "sources": ["FIRST"], "targets": ["SECOND"]}},
}


@pytest.fixture(scope="module")
def cluster():
    with slurm_cluster.running() as cluster:
        yield cluster


class OnCluster(Workflow):
    """Workflow with the Slurm profile and its placeholders filled in."""

    def __init__(self, folder: Path, cluster: slurm_cluster.Cluster):
        super().__init__(folder, directory="experiment")
        self.cluster = cluster
        for name in ("first", "second"):
            write_tree(self.directory / name, {path: noise_bytes(f"{name} {path}") for path in SMALL_EMOVO})
        self.configure(CONFIG)
        profile = self.repository / "profiles" / "slurm" / "profile.yaml"
        text = profile.read_text(encoding="utf-8")
        text, lines = re.subn("(?m)^( *)# (slurm_account|slurm_partition|set-resources): ", r"\1\2: ", text)
        assert lines == 3
        for placeholder, name in (("ACCOUNT", "nobody"), ("PARTITION", "cpu"), ("GPUS", "gpu")):
            assert placeholder in text
            text = text.replace(placeholder, name)
        profile.write_text(text, encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        profile = ("--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "6")
        return self.cluster.inside([*super().command(), *profile, *arguments])

    def run(self, *arguments: str) -> str:
        """Run Snakemake on the cluster; return stdout and stderr."""
        snakemake = self.start(*arguments, output=subprocess.PIPE)
        output, _ = snakemake.communicate()
        assert snakemake.returncode == 0, output[-6000:]
        return output

    @property
    def log(self) -> str:
        """Log of the training job."""
        return (self.directory / f"results/logs/finetune/{RUN}.log").read_text(encoding="utf-8")

    @property
    def state(self) -> Path:
        """Saved state of an unfinished training run."""
        return self.directory / f"results/runs/{RUN}/resume.safetensors"

    def outcome(self) -> dict[str, bytes]:
        """Return the results that must be identical in every run."""
        paths = [*self.directory.glob("results/runs/**/*.*"), *self.directory.glob("results/predictions/**/*.csv")]
        paths.append(self.directory / TABLE)
        return {str(path.relative_to(self.directory)): path.read_bytes() for path in paths if path.name != "run.json"}

    def jobs_of(self, rule: str) -> list[dict[str, str]]:
        """Return this workflow's Slurm jobs of a rule in the order of submission."""
        mine = [job for job in self.cluster.jobs() if job["folder"] == str(self.directory)]
        return sorted((job for job in mine if rule in job["comment"]), key=lambda job: int(job["id"]))

    def unfinished_jobs(self) -> list[str]:
        """Return the IDs of this workflow's Slurm jobs that run or wait."""
        return [job["id"] for job in self.jobs_of("") if job["state"] in ("RUNNING", "PENDING")]

    def suspend_training(self, snakemake: subprocess.Popen) -> dict[str, str]:
        """Suspend the training process after an epoch, and return its job."""
        wait_until(lambda: self.state.exists() or snakemake.poll() is not None, "an epoch")
        self.training_process().suspend()
        assert snakemake.poll() is None
        return next(job for job in self.jobs_of("finetune") if job["state"] == "RUNNING")

    def training_process(self) -> psutil.Process:
        """Return the training process."""
        for process in psutil.process_iter(["cmdline", "cwd"]):
            *_, last = process.info["cmdline"] or [""]  # an ending process has no command line
            if process.info["cwd"] == str(self.directory) and "finetune.py" in last:
                return process
        raise AssertionError("no training process is running")


@pytest.fixture(scope="module")
def finished(cluster, tmp_path_factory):
    """Run the workflow from end to end; predictions request their GPU as on a cluster without `--gpus`."""
    workflow = OnCluster(tmp_path_factory.mktemp("finished") / "repository", cluster)
    profile = workflow.repository / "profiles" / "slurm" / "profile.yaml"
    more = r"\g<0>, predict:gres=gpu:1, predict:gpu=0"
    text, lists = re.subn("(?m)^set-resources: .*(?=]$)", more, profile.read_text(encoding="utf-8"))
    assert lists == 1
    profile.write_text(text, encoding="utf-8")
    workflow.output = workflow.run("--slurm-keep-successful-logs", TABLE)
    return workflow


class TestFromEndToEnd:
    """Whole workflow with the Slurm profile."""

    def test_cluster_without_accounting(self, finished):
        """sacct is installed but empty: a run that used it would wait forever."""
        assert shutil.which("sacct")
        assert not finished.cluster.output("sacct", "-n")
        assert "COMMENT" in finished.cluster.output("squeue", "--me", "--Format=JobID,State,TimeUsed,Comment:80")
        assert 11 <= len(re.findall(r"(?m)^Finished jobid", finished.output)) <= 16

    def test_only_jobs_with_a_model_use_gpu_nodes(self, finished):
        training, predictions, without = map(finished.jobs_of, ("finetune", "predict", ""))
        with_gpu = training + predictions
        without = [job for job in without if job not in with_gpu]
        assert {job["state"] for job in with_gpu + without} == {"COMPLETED"}
        assert {job["partition"] for job in with_gpu} == {"gpu"}
        assert {(job["gpus"], job["gres"]) for job in training} == {("gres:gpu:1", "N/A")}
        assert {(job["gpus"], job["gres"]) for job in predictions} == {("N/A", "gres:gpu:1")}
        assert {job["node"] for job in with_gpu} <= {*slurm_cluster.NODES[:-1]}
        assert {(job["partition"], job["gpus"], job["node"]) for job in without} == {
            ("cpu", "N/A", slurm_cluster.NODES[-1])
        }

    def test_short_jobs_are_not_submitted_and_each_run_predicts_in_one_job(self, finished):
        rules = Counter(re.match(r"rule_(.+?)(_wildcards_|$)", job["comment"])[1] for job in finished.jobs_of(""))
        assert rules == {"corpus": 2, "overlaps": 2, "log_mel": 2, "finetune": 1, "predict": 1}
        assert len(list(finished.directory.glob("results/predictions/**/*.csv"))) == 1

    def test_memory_and_time_come_from_the_profile_or_the_model(self, finished):
        for rule, asked in (("finetune", (1500, "20:00")), ("predict", (1500, "20:00")), ("corpus", (2000, "30:00"))):
            assert {(megabytes(job), job["minutes"]) for job in finished.jobs_of(rule)} == {asked}

    def test_every_job_has_a_log(self, finished):
        logs = [path.read_text(encoding="utf-8") for path in finished.directory.glob("results/logs/slurm/**/*.log")]
        assert len(logs) == len(finished.jobs_of(""))
        assert all("Finished job" in log for log in logs)

    def test_results_equal_those_without_slurm(self, finished, tmp_path):
        """Nothing is repeated but training, predictions and their scores."""
        alone = finished.copy(tmp_path / "repository")
        for folder in ("runs", "predictions", "scores", "tables"):
            shutil.rmtree(alone.directory / "results" / folder)
        done = Workflow.run(alone, "--cores", "2", TABLE).stdout
        assert len(re.findall(r"(?m)^Finished jobid", done)) == 4
        assert alone.outcome() == finished.outcome()

    def test_nothing_is_planned(self, finished):
        command = [*finished.command(), "--dry-run", TABLE]
        dry_run = subprocess.run(command, cwd=finished.repository, check=True, capture_output=True, text=True)
        assert parse(dry_run.stdout) == []


def cancelled(workflow, job):
    workflow.cluster.output("scancel", job["id"])


def killed(workflow, job):
    workflow.training_process().kill()


def timed_out(workflow, job):
    workflow.cluster.output("scontrol", "update", f"JobId={job['id']}", "TimeLimit=0:00:01")


def preempted(workflow, job):
    urgent = (
        "sbatch",
        "--partition=urgent",
        "--gpus=1",
        "--exclusive",
        f"--nodelist={job['node']}",
        "--output=/dev/null",
    )
    assert workflow.cluster.output(*urgent, "--wrap", "sleep 2")


def out_of_memory(workflow, job):
    """Do nothing: the job was started with too little memory."""


FAILURES = {
    cancelled: ["CANCELLED", "COMPLETED"],
    killed: ["FAILED", "COMPLETED"],
    timed_out: ["TIMEOUT", "COMPLETED"],
    out_of_memory: ["FAILED", "COMPLETED"],
    preempted: ["COMPLETED"],
}


class TestFailures:
    """Failed training jobs: the same command ends with the same weights."""

    @pytest.fixture(scope="class")
    @classmethod
    def ended(cls, finished, tmp_path_factory):
        """Return copies without their training run, each after another failure."""
        started = {}
        for failure in FAILURES:
            workflow = without_run(finished.copy(tmp_path_factory.mktemp(failure.__name__) / "repository"))
            low_memory = ("--set-resources", "finetune:slurm_partition=gpu", "finetune:mem_mb=attempt * 300")
            low_memory = low_memory if failure is out_of_memory else ()
            started[failure] = workflow, workflow.start(WEIGHTS, *low_memory)
        for failure, (workflow, snakemake) in started.items():
            failure(workflow, None if failure is out_of_memory else workflow.suspend_training(snakemake))
        return {name: (workflow, snakemake.wait(timeout=900)) for name, (workflow, snakemake) in started.items()}

    @pytest.mark.parametrize("failure", FAILURES)
    def test_training_ends_with_the_same_weights(self, ended, finished, failure):
        if failure is out_of_memory and not slurm_cluster.enforces_memory():
            pytest.skip("NO CGROUP MEMORY CONTROLLER, SO MEMORY LIMITS ARE NOT TESTED")
        workflow, status = ended[failure]
        assert status == 0
        first, *again = jobs = workflow.jobs_of("finetune")
        # Slurm reports that memory ran out for the job or only for the step
        states = [job["state"].replace("OUT_OF_MEMORY", "FAILED") for job in jobs]
        assert states == FAILURES[failure]
        assert all(megabytes(job) == 2 * megabytes(first) for job in again)
        assert ("resuming after epoch" in workflow.log) == (failure is not out_of_memory)
        assert workflow.outcome() == finished.outcome()
        assert not workflow.state.exists()

    def test_preempted_job_was_requeued(self, ended):
        workflow, _ = ended[preempted]
        (job,) = workflow.jobs_of("finetune")
        assert "Restarts=1" in workflow.cluster.output("scontrol", "show", "job", job["id"])

    def test_training_jobs_run_in_parallel(self, finished, tmp_path):
        workflow = finished.copy(tmp_path / "repository")
        workflow.configure(CONFIG | {"seeds": [2, 3]})
        snakemake = workflow.start(*(WEIGHTS.replace("seed1", f"seed{seed}") for seed in (2, 3)))
        nodes = [job["node"] for job in self.wait_for_two_training_jobs(workflow, snakemake)]
        os.killpg(snakemake.pid, signal.SIGINT)
        snakemake.wait(timeout=300)
        assert len(set(nodes)) == 2

    @staticmethod
    def wait_for_two_training_jobs(workflow, snakemake):
        def jobs():
            return [job for job in workflow.jobs_of("finetune") if job["state"] == "RUNNING"]

        wait_until(lambda: len(jobs()) == 2 or snakemake.poll() is not None, "two training jobs")
        return jobs()

    def test_ctrl_c_cancels_all_jobs_and_keeps_results(self, cluster, finished, tmp_path):
        """Press Ctrl-C while a run is trained again, then finish it.

        Snakemake cancels nothing while it queries job states (docs/how-to/cluster.md), hence the repetition.
        A job that ended at that moment may be planned again.
        """
        workflow = without_run(finished.copy(tmp_path / "repository"))
        for _ in range(4):
            snakemake = workflow.start(WEIGHTS, TABLE)
            workflow.suspend_training(snakemake)
            os.killpg(snakemake.pid, signal.SIGINT)
            assert snakemake.wait(timeout=300) != 0
            with suppress(TimeoutError):
                wait_until(lambda: not workflow.unfinished_jobs(), "no jobs", seconds=20)
            if not (missed := workflow.unfinished_jobs()):
                break
            cluster.output("scancel", *missed)
            wait_until(lambda: not workflow.unfinished_jobs(), "no jobs")
        assert not missed
        again = {output for job in parse(workflow.run("--dry-run", WEIGHTS, TABLE)) for output in job.outputs}
        kept = {
            path: time
            for path, time in finished_files(workflow).items()
            if str(path.relative_to(workflow.directory)) not in again
        }
        assert len(kept) > 10
        workflow.run(WEIGHTS, TABLE)
        assert kept.items() <= finished_files(workflow).items()
        assert "resuming after epoch" in workflow.log
        assert workflow.outcome() == finished.outcome()


def without_run(workflow):
    """Delete a workflow's training run, and return the workflow."""
    for path in workflow.directory.glob(f"results/runs/{RUN}/*"):
        path.unlink()
    return workflow


def megabytes(job):
    """Return the memory in MB that a job requested."""
    return int(job["memory"].removesuffix("M"))


def finished_files(workflow):
    """Return the times of all results except logs."""
    files = (path for path in workflow.directory.glob("results/**/*.*") if path.is_file())
    excluded = {"logs", "benchmarks", workflow.state.name}
    return {path: path.stat().st_mtime_ns for path in files if not excluded & {*path.parts}}
