"""The workflow on a real Slurm: from end to end, and through everything that happens to jobs on a cluster."""

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import psutil
import pytest
import slurm_cluster
from conftest import noise_bytes, write_tree
from slurm_cluster import wait_until
from workflow_tools import Workflow

from ser.snakemake_support.dry_run import parse

if reason := slurm_cluster.missing():
    pytest.skip(f"NO SLURM, SO THE CLUSTER PROFILE IS NOT TESTED: {reason}", allow_module_level=True)

TARGETS = ("results/tables/table2.csv", "results/figures/figure3.csv")
RUN = "cnn-lstm/FIRST-to-any/0-shot/seed1"
WEIGHTS = f"results/runs/{RUN}/weights.safetensors"
CONFIG = {
    "seeds": [1],
    "corpora": {
        name: {"format": "emovo", "language": "Italian", "path": name.lower(), "verify": "none"}
        for name in ("FIRST", "SECOND")
    },
    "noise": {"format": "demand", "path": "noise"},
    "conditions": {"clean": {}, "noisy": {"snr_db": 10, "environments": ["NPARK"]}},
    "few_shot": {"pool_per_emotion": 2},
    "training": {"epochs": 30, "batch_size": 4},
    "models": {"cnn-lstm": {"title": "CNN-LSTM", "family": "cnn-lstm", "resources": {"mem_mb": 1500, "runtime": 20}}},
    "experiments": {
        "table2": {"models": ["cnn-lstm"], "sources": ["FIRST"], "targets": ["SECOND"]},
        "figure3": {"models": ["cnn-lstm"], "source": "FIRST", "targets": ["SECOND"], "condition": "noisy"},
    },
}
RECORDINGS = [
    f"EMOVO/{speaker}/{emotion}-{speaker}-{sentence}.wav"
    for speaker in ("f1", "f2", "f3", "m1", "m2", "m3")
    for emotion in ("rab", "gio", "neu", "tri")
    for sentence in ("b1", "b2")
]


@pytest.fixture(scope="module")
def cluster():
    with slurm_cluster.running() as cluster:
        yield cluster


class OnCluster(Workflow):
    """The workflow with its cluster profile, in which what a user fills in is filled in."""

    def __init__(self, folder: Path, cluster: slurm_cluster.Cluster):
        super().__init__(folder, directory="experiment")
        self.cluster = cluster
        for name in ("first", "second"):
            write_tree(self.directory / name, {path: noise_bytes(f"{name} {path}") for path in RECORDINGS})
        write_tree(self.directory / "noise", {"NPARK/ch01.wav": noise_bytes("NPARK", 32_000)})
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

    @property
    def log(self) -> str:
        """The training's log."""
        return (self.directory / f"results/logs/finetune/{RUN}.log").read_text(encoding="utf-8")

    @property
    def state(self) -> Path:
        """What an unfinished training goes on from."""
        return self.directory / f"results/runs/{RUN}/resume.safetensors"

    def outcome(self) -> dict[str, bytes]:
        """Everything that is the same wherever and however often it is computed."""
        paths = [*self.directory.glob("results/runs/**/*.*"), *self.directory.glob("results/predictions/**/*.csv")]
        paths += [self.directory / target for target in TARGETS]
        return {str(path.relative_to(self.directory)): path.read_bytes() for path in paths if path.name != "run.json"}

    def jobs_of(self, rule: str) -> list[dict[str, str]]:
        """This workflow's jobs of a rule, as Slurm knows them, in the order of their submission."""
        mine = [job for job in self.cluster.jobs() if job["folder"] == str(self.directory)]
        return sorted((job for job in mine if rule in job["comment"]), key=lambda job: int(job["id"]))

    def until_it_trains(self, snakemake: subprocess.Popen) -> dict[str, str]:
        """Wait until a training has finished an epoch, and stop it there; its job."""
        wait_until(lambda: self.state.exists() or snakemake.poll() is not None, "an epoch")
        self.training().suspend()
        assert snakemake.poll() is None
        return next(job for job in self.jobs_of("finetune") if job["state"] == "RUNNING")

    def training(self) -> psutil.Process:
        """The process that trains."""
        for process in psutil.process_iter(["cmdline", "cwd"]):
            *_, last = process.info["cmdline"] or [""]  # a process that ends has none
            if process.info["cwd"] == str(self.directory) and "finetune.py" in last:
                return process
        raise AssertionError("nothing trains")


@pytest.fixture(scope="module")
def finished(cluster, tmp_path_factory):
    """The workflow, run from end to end."""
    workflow = OnCluster(tmp_path_factory.mktemp("finished") / "repository", cluster)
    workflow.output = workflow.run("--slurm-keep-successful-logs", *TARGETS).stdout
    return workflow


class TestFromEndToEnd:
    """All of it, with the profile as it is."""

    def test_a_cluster_without_accounts(self, finished):
        """Where sacct is installed and knows nothing, a run that asked it would wait for ever."""
        assert shutil.which("sacct")
        assert not finished.cluster.out("sacct", "-n")
        assert "COMMENT" in finished.cluster.out("squeue", "--me", "--Format=JobID,State,TimeUsed,Comment:80")
        assert 15 <= len(re.findall(r"(?m)^Finished jobid", finished.output)) <= 20

    def test_jobs_with_a_model_get_a_gpu_and_others_stay_off_them(self, finished):
        with_gpu, without = finished.jobs_of("finetune") + finished.jobs_of("predict"), finished.jobs_of("")
        without = [job for job in without if job not in with_gpu]
        assert {job["state"] for job in with_gpu + without} == {"COMPLETED"}
        assert {(job["partition"], job["gpus"]) for job in with_gpu} == {("gpu", "gres:gpu:1")}
        assert {job["node"] for job in with_gpu} <= {*slurm_cluster.NODES[:-1]}
        assert {(job["partition"], job["gpus"], job["node"]) for job in without} == {
            ("cpu", "N/A", slurm_cluster.NODES[-1])
        }

    def test_short_jobs_are_not_submitted_and_a_run_predicts_in_one_job(self, finished):
        rules = Counter(re.match(r"rule_(.+?)(_wildcards_|$)", job["comment"])[1] for job in finished.jobs_of(""))
        assert rules == {"corpus": 2, "overlaps": 2, "noise": 1, "log_mel": 3, "finetune": 1, "predict": 1}
        assert len(list(finished.directory.glob("results/predictions/**/*.csv"))) == 1

    def test_memory_and_time_are_the_profiles_or_the_models(self, finished):
        for rule, asked in (("finetune", (1500, "20:00")), ("predict", (1500, "20:00")), ("corpus", (2000, "30:00"))):
            assert {(megabytes(job), job["minutes"]) for job in finished.jobs_of(rule)} == {asked}

    def test_every_job_has_a_log_where_the_others_are(self, finished):
        logs = [path.read_text(encoding="utf-8") for path in finished.directory.glob("results/logs/slurm/**/*.log")]
        assert len(logs) == len(finished.jobs_of(""))
        assert all("Finished job" in log for log in logs)

    def test_the_same_as_on_one_machine(self, finished, tmp_path):
        alone = finished.copy(tmp_path / "repository")
        for folder in ("results", ".snakemake"):
            shutil.rmtree(alone.directory / folder)
        on_one_machine = Workflow.command(alone, "--cores", "2", *TARGETS)
        subprocess.run(on_one_machine, cwd=alone.repository, check=True, capture_output=True)
        assert alone.outcome() == finished.outcome()

    def test_nothing_is_left_to_do_here_or_there(self, finished):
        for command in (finished.command(), Workflow.command(finished)):
            command = [*command, "--dry-run", *TARGETS]
            dry_run = subprocess.run(command, cwd=finished.repository, check=True, capture_output=True, text=True)
            assert parse(dry_run.stdout) == []


def cancelled(workflow, job):
    workflow.cluster.out("scancel", job["id"])


def killed(workflow, job):
    workflow.training().kill()


def over_its_time(workflow, job):
    workflow.cluster.out("scontrol", "update", f"JobId={job['id']}", "TimeLimit=0:00:01")


def preempted(workflow, job):
    urgent = (
        "sbatch",
        "--partition=urgent",
        "--gpus=1",
        "--exclusive",
        f"--nodelist={job['node']}",
        "--output=/dev/null",
    )
    assert workflow.cluster.out(*urgent, "--wrap", "sleep 2")


def over_its_memory(workflow, job):
    """It was started with too little."""


MISFORTUNES = {
    cancelled: ["CANCELLED", "COMPLETED"],
    killed: ["FAILED", "COMPLETED"],
    over_its_time: ["TIMEOUT", "COMPLETED"],
    over_its_memory: ["FAILED", "COMPLETED"],  # it is a step of it that is out of memory, as its log says
    preempted: ["COMPLETED"],
}


class TestMisfortunes:
    """Whatever happens to a training's job, the same command ends with the weights of an undisturbed one."""

    @pytest.fixture(scope="class")
    @classmethod
    def ended(cls, finished, tmp_path_factory):
        """Copies of the finished workflow that lack its training, each with a misfortune of its own, all at a time."""
        started = {}
        for misfortune in MISFORTUNES:
            workflow = finished.copy(tmp_path_factory.mktemp(misfortune.__name__) / "repository")
            for path in workflow.directory.glob(f"results/runs/{RUN}/*"):
                path.unlink()
            little = ("--set-resources", "finetune:slurm_partition=gpu", "finetune:mem_mb=attempt * 300")
            little = little if misfortune is over_its_memory else ()
            started[misfortune] = workflow, workflow.start(WEIGHTS, *little)
        for misfortune, (workflow, snakemake) in started.items():
            misfortune(workflow, None if misfortune is over_its_memory else workflow.until_it_trains(snakemake))
        return {name: (workflow, snakemake.wait(timeout=900)) for name, (workflow, snakemake) in started.items()}

    @pytest.mark.parametrize("misfortune", MISFORTUNES)
    def test_ends_well(self, ended, finished, misfortune):
        if misfortune is over_its_memory and not slurm_cluster.enforces_memory():
            pytest.skip("NO MEMORY CONTROLLER HERE: JOBS ARE NOT HELD TO THEIR MEMORY")
        workflow, status = ended[misfortune]
        assert status == 0
        first, *again = jobs = workflow.jobs_of("finetune")
        assert [job["state"] for job in jobs] == MISFORTUNES[misfortune]
        assert all(megabytes(job) == 2 * megabytes(first) for job in again)
        assert ("resuming after epoch" in workflow.log) == (misfortune is not over_its_memory)
        assert workflow.outcome() == finished.outcome()
        assert not workflow.state.exists()

    def test_a_preempted_job_was_requeued(self, ended):
        workflow, _ = ended[preempted]
        (job,) = workflow.jobs_of("finetune")
        assert "Restarts=1" in workflow.cluster.out("scontrol", "show", "job", job["id"])

    def test_trainings_run_side_by_side(self, finished, tmp_path):
        workflow = finished.copy(tmp_path / "repository")
        workflow.configure(CONFIG | {"seeds": [2, 3]})
        snakemake = workflow.start(*(WEIGHTS.replace("seed1", f"seed{seed}") for seed in (2, 3)))
        nodes = [job["node"] for job in self.until_two_train(workflow, snakemake)]
        os.killpg(snakemake.pid, signal.SIGINT)
        snakemake.wait(timeout=300)
        assert len(set(nodes)) == 2

    @staticmethod
    def until_two_train(workflow, snakemake):
        def jobs():
            return [job for job in workflow.jobs_of("finetune") if job["state"] == "RUNNING"]

        wait_until(lambda: len(jobs()) == 2 or snakemake.poll() is not None, "two trainings")
        return jobs()

    def test_all_cancelled_twice_and_run_again(self, cluster, finished, tmp_path):
        """Ctrl-C amid ingestion, and again amid training: no job goes on, and nothing finished is done again.

        Snakemake may not know of a job that ended at the same moment, and plans it again.
        """
        workflow = OnCluster(tmp_path / "repository", cluster)
        for moment in (self.amid_ingestion, OnCluster.until_it_trains):
            snakemake = workflow.start(*TARGETS)
            moment(workflow, snakemake)
            os.killpg(snakemake.pid, signal.SIGINT)
            assert snakemake.wait(timeout=300) != 0
            wait_until(lambda: not {"RUNNING", "PENDING"} & {job["state"] for job in workflow.jobs_of("")}, "no jobs")
        again = {output for job in parse(workflow.run("--dry-run", *TARGETS).stdout) for output in job.outputs}
        kept = {
            path: time
            for path, time in finished_files(workflow).items()
            if str(path.relative_to(workflow.directory)) not in again
        }
        assert len(kept) > 10
        workflow.run(*TARGETS)
        assert kept.items() <= finished_files(workflow).items()
        assert "resuming after epoch" in workflow.log
        assert workflow.outcome() == finished.outcome()

    @staticmethod
    def amid_ingestion(workflow, snakemake):
        """Wait until one corpus is ingested, and a job goes on."""

        def amid():
            ingested = list(workflow.directory.glob("results/corpora/*/utterances.csv"))
            return ingested and any(job["state"] == "RUNNING" for job in workflow.jobs_of(""))

        wait_until(lambda: amid() or snakemake.poll() is not None, "a corpus")
        assert snakemake.poll() is None


def megabytes(job):
    """Memory that a job asked for."""
    return int(job["memory"].removesuffix("M"))


def finished_files(workflow):
    """Results, with their times; logs aside."""
    files = (path for path in workflow.directory.glob("results/**/*.*") if path.is_file())
    aside = {"logs", "benchmarks", workflow.state.name}
    return {path: path.stat().st_mtime_ns for path in files if not aside & {*path.parts}}
