"""Failures and interruptions: results are complete or absent, reruns finish them."""

import os
import re
import shutil
import signal
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
import yaml
from conftest import ROOT, SMALL_EMOVO, noise_bytes, write_tree
from small_checkpoints import LAYER_NORM, save_wav2vec2
from workflow_tools import Workflow, read_only, small_disk, wait_until

from ser.core import files

CORPORA = ("ONE", "TWO", "THREE")
SCORES = "results/scores/table2.csv"
FEW_SHOT = "results/scores/figure2.csv"
LONG = "results/runs/long/ONE-to-any/0-shot/seed1"  # long enough to be interrupted during training
PREDICTED = "results/predictions/long/ONE-to-any/0-shot/seed1.csv"

# Code added to all jobs: it records the threads of every pool and the CPU ticks of every thread at exit.
RECORD = """

def _record():
    import json, os, threadpoolctl
    from pathlib import Path
    import __main__
    job = vars(__main__)["snakemake"]
    pools = {pool["prefix"]: pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
    if "torch" in sys.modules:
        pools["torch"] = sys.modules["torch"].get_num_threads()
    ticks = [path.read_text().rpartition(")")[2].split()[11:13] for path in Path("/proc/self/task").glob("*/stat")]
    busy = [sum(map(int, of_thread)) for of_thread in ticks]
    folder = Path("threads")
    folder.mkdir(exist_ok=True)
    (folder / f"{job.rule}-{os.getpid()}.json").write_text(json.dumps({"pools": pools, "ticks": busy}))

import atexit
atexit.register(_record)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run CNN-LSTM (zero-shot, few-shot, long) and a frozen encoder on small corpora."""
    workflow = Workflow(tmp_path_factory.mktemp("failures") / "repository", directory="small")
    for corpus in CORPORA:
        write_tree(workflow.directory / corpus, {name: noise_bytes(f"{corpus} {name}") for name in SMALL_EMOVO})
    save_wav2vec2(workflow.directory / "checkpoint", **LAYER_NORM)
    config = yaml.safe_load((ROOT / "config" / "emodb-urdu.yaml").read_text(encoding="utf-8"))
    layout = {"format": "emovo", "language": "Italian", "verify": "none"}
    config |= {"seeds": [1], "few_shot": {"pool_per_emotion": 2}, "training": {"epochs": 2}}
    config["corpora"] = {corpus: layout | {"path": corpus} for corpus in CORPORA}
    deterministic = {"epochs": 20, "deterministic": True}
    config["models"]["long"] = {"title": "Long", "family": "cnn-lstm", "training": deterministic}
    frozen = {"family": "wav2vec2", "checkpoint": "./checkpoint", "tuning": {"method": "frozen"}}
    config["models"]["frozen"] = {"title": "Frozen"} | frozen
    config["experiments"]["table2"] = {"models": ["cnn-lstm", "frozen"], "sources": ["ONE"], "targets": ["TWO"]}
    config["experiments"]["figure2"] = {"models": ["cnn-lstm"], "source": "ONE", "targets": ["TWO"], "shots": [0, 4]}
    config["experiments"]["tuning"] = {"models": ["long"], "sources": ["ONE"], "targets": ["TWO"]}
    workflow.configure(config)
    job = workflow.repository / "workflow/scripts/ser/snakemake_support/script.py"
    job.write_text(job.read_text(encoding="utf-8") + RECORD, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "7")  # as a user's shell profile may set it
        workflow.run("--cores", "2", SCORES, FEW_SHOT, PREDICTED, "results/corpora/ONE/audit.json")
    return workflow


@pytest.fixture
def workflow(finished, tmp_path):
    """Return a copy of the finished experiment, which tests may damage."""
    return finished.copy(tmp_path / "repository")


@pytest.fixture
def untrained(workflow):
    """Return the copy without the long training run."""
    for path in (workflow.directory / LONG).iterdir():
        path.unlink()
    (workflow.directory / PREDICTED).unlink()
    return workflow


def contents(workflow: Workflow) -> dict[str, bytes]:
    """Return all results by path, except files that contain times."""
    return {
        str(path.relative_to(workflow.directory)): path.read_bytes()
        for folder in ("results", "resources")
        for path in (workflow.directory / folder).rglob("*")
        if path.is_file() and not {"logs", "benchmarks"} & set(path.parts) and path.name != "run.json"
    }


def half_written(workflow: Workflow) -> list[Path]:
    return [path for path in (workflow.directory / "results").rglob(".*") if path.is_file()]


def start_training(workflow: Workflow) -> tuple[subprocess.Popen, psutil.Process]:
    """Start the long training run, and suspend its job after an epoch."""
    process = workflow.start("--cores", "2", PREDICTED, output=subprocess.PIPE)
    wait_until((workflow.directory / LONG / "resume.safetensors").exists, "an epoch", process=process)
    (job,) = psutil.Process(process.pid).children(recursive=True)
    job.suspend()
    return process, job


def test_code_that_changes_during_a_run_is_refused(untrained):
    """Snakemake records the code of its plan."""
    module = untrained.repository / "workflow/scripts/ser/training/loop.py"
    snakefile = untrained.repository / "Snakefile"
    edit = f"onstart:\n    Path({str(module)!r}).open('a').write('\\nEDITED = True\\n')\n"
    snakefile.write_text(snakefile.read_text(encoding="utf-8").replace("onstart:\n", edit), encoding="utf-8")
    result = untrained.run("--cores", "1", PREDICTED, check=False)
    assert result.returncode
    assert "finetune: the workflow's code has changed since this run of Snakemake started" in result.stdout
    assert not (untrained.directory / LONG / "weights.safetensors").exists()


class TestThreads:
    """Jobs use as many threads as their rule has."""

    def test_jobs_use_one_thread_by_default(self, finished):
        records = [files.read_json(path) for path in (finished.directory / "threads").iterdir()]
        assert len(records) >= 20
        for record in records:
            assert set(record["pools"].values()) <= {1}
        assert any("torch" in record["pools"] for record in records)
        assert any("libscipy_openblas" in record["pools"] for record in records)

    def test_libraries_work_in_one_thread(self, finished):
        """Resampling, librosa with numba, scipy and autograd work in the main thread."""
        for path in (finished.directory / "threads").iterdir():
            ticks = sorted(files.read_json(path)["ticks"])
            assert sum(ticks[:-1]) <= ticks[-1] / 4, path.name

    def test_jobs_use_the_threads_of_set_threads(self, workflow):
        run = workflow.directory / "results/runs/cnn-lstm/ONE-to-any/0-shot/seed1/run.json"
        for path in (workflow.directory / "threads").iterdir():
            path.unlink()
        target = str(run.relative_to(workflow.directory))
        workflow.run("--cores", "2", "--set-threads", "finetune=2", "--force", target)
        (record,) = [files.read_json(path) for path in (workflow.directory / "threads").iterdir()]
        assert record["pools"]["torch"] == record["pools"]["libgomp"] == 2
        assert files.read_json(run)["threads"] == 2


def test_fingerprint_of_data_covers_few_shot_examples(finished):
    rows = [row for row in files.read_rows(finished.directory / FEW_SHOT) if row["test_set"] == "test"]
    assert {row["shots"] for row in rows} == {"0", "4"}
    assert len({row["data"] for row in rows}) == 2


class TestInterruptions:
    """Interruptions stop all jobs, and the next run gives the same results."""

    @pytest.mark.skipif(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, reason="SIGHUP is ignored, as under nohup")
    def test_second_run_ctrl_c_and_closed_terminal(self, finished, untrained):
        """A run locks its directory; Ctrl-C removes the lock, closing the terminal does not."""
        process, job = start_training(untrained)
        second = untrained.run("--cores", "1", PREDICTED, check=False)
        assert second.returncode
        assert "Directory cannot be locked" in second.stdout
        assert untrained.rules_planned(PREDICTED) == {"finetune": 1, "predict": 1}  # a dry run is allowed
        os.killpg(process.pid, signal.SIGINT)
        job.resume()
        output, _ = process.communicate()
        assert process.returncode
        assert not job.is_running()
        assert "finetune: interrupted" in output
        assert "Traceback" not in output
        assert not half_written(untrained)
        assert [path.name for path in (untrained.directory / LONG).iterdir()] == ["resume.safetensors"]
        assert untrained.rules_planned(SCORES, PREDICTED) == {"finetune": 1, "predict": 1}

        process = untrained.start("--cores", "2", PREDICTED)
        wait_until(lambda: "resuming after epoch" in log_of_training(untrained), "training", process=process)
        jobs = psutil.Process(process.pid).children()
        os.killpg(process.pid, signal.SIGHUP)
        process.wait()
        psutil.wait_procs(jobs)
        assert "--unlock" in untrained.run("--cores", "2", PREDICTED, check=False).stdout
        untrained.run("--unlock")
        untrained.run("--cores", "2", PREDICTED)
        assert "resuming after epoch" in log_of_training(untrained)
        assert contents(untrained) == contents(finished)
        assert untrained.planned(SCORES, PREDICTED) == []

    def test_killed_training_does_not_resume_with_other_code(self, finished, untrained):
        state = untrained.directory / LONG / "resume.safetensors"
        module = untrained.repository / "workflow/scripts/ser/training/loop.py"
        process, job = start_training(untrained)
        job.kill()
        process.communicate()
        assert process.returncode
        assert state.exists()
        code = module.read_text(encoding="utf-8")
        module.write_text(code.replace('named_generator("batches"', 'named_generator("edited"'), encoding="utf-8")
        untrained.run("--cores", "2", f"{LONG}/weights.safetensors")
        message = "was saved with other settings, code, inputs or device: starting at the first epoch"
        assert message in log_of_training(untrained)
        weights = f"{LONG}/weights.safetensors"
        assert (untrained.directory / weights).read_bytes() != (finished.directory / weights).read_bytes()


def log_of_training(workflow: Workflow) -> str:
    path = workflow.directory / "results/logs/finetune/long/ONE-to-any/0-shot/seed1.log"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_jobs_without_recorded_settings_are_listed(workflow):
    """As after Snakemake was killed while its cluster jobs continued."""
    shutil.rmtree(workflow.directory / ".snakemake" / "metadata")
    (workflow.directory / SCORES).unlink()
    output = workflow.run("--cores", "1", SCORES).stdout
    assert re.search(r"Snakemake has no record of how.*--forcerun RULE\n  - corpus\n", output)


def test_inputs_that_are_gone(workflow):
    """Results made from them are used, and kept if an empty folder is left, as of a disk that is not mounted."""
    for folder in ("checkpoint", "TWO"):
        shutil.rmtree(workflow.directory / folder)
    assert workflow.planned(SCORES, PREDICTED) == []
    (workflow.directory / SCORES).unlink()
    assert (
        "Missing local inputs; what was already made from them is used:" in workflow.run("--cores", "1", SCORES).stdout
    )
    (workflow.directory / "checkpoint").mkdir()
    assert workflow.planned(SCORES, PREDICTED) == []
    before = contents(workflow)
    shutil.rmtree(workflow.directory / "ONE" / "EMOVO")
    refused = workflow.run("--cores", "1", SCORES, PREDICTED, check=False)
    assert refused.returncode
    assert "corpora.ONE.path: ONE contains none of the corpus's files. Restore the recordings" in refused.stdout
    assert contents(workflow) == before


def test_only_temporary_files_of_the_output_are_removed(tmp_path):
    for name in (".tmpAbC123", ".labels.77.csv"):
        (tmp_path / name).touch()
    (tmp_path / ".labels.78.csv").mkdir()
    files.write_rows(tmp_path / "labels.csv", ["a"], [["1"]])
    assert sorted(path.name for path in tmp_path.iterdir()) == [".labels.78.csv", ".tmpAbC123", "labels.csv"]


@pytest.mark.parametrize("kind", ["source", "few-shot"])
def test_leaking_split_is_rejected(workflow, kind):
    """Edit a split by hand: the audit and the training run that read it fail."""
    results = workflow.directory / "results"
    if kind == "source":
        path, corpus, run = results / "splits/ONE/seed1/source.csv", "ONE", "ONE-to-any/0-shot"
        text = path.read_text(encoding="utf-8")
        changed = text.replace(",dev\n", ",train\n", 1)
    else:
        path, corpus, run = results / "fewshot/TWO/4-shot/seed1.csv", "TWO", "ONE-to-TWO/4-shot"
        split = files.read_rows(results / "splits/TWO/seed1/target.csv")
        tested = next(row["utterance"] for row in split if row["role"] == "test")
        text = path.read_text(encoding="utf-8")
        changed = f"{text}{tested}\n"
    jobs = {
        "corpus_audit": f"results/corpora/{corpus}/audit.json",
        "finetune": f"results/runs/cnn-lstm/{run}/seed1/weights.safetensors",
    }
    path.write_text(changed, encoding="utf-8")
    failed = workflow.run("--cores", "2", "--keep-going", *jobs.values(), check=False)
    path.write_text(text, encoding="utf-8")
    for rule in jobs:
        assert re.search(rf"{rule}: .*{path.relative_to(workflow.directory)} leaks: ", failed.stdout), failed.stdout


WRITTEN = {  # folders on a faulty disk, and the files written there
    "results/corpora/THREE": "results/corpora/THREE/utterances.csv",
    "results/runs/long": f"{LONG}/weights.safetensors",
    "results/predictions/frozen": "results/predictions/frozen/ONE-to-any/0-shot/seed1.csv",
    "results/figures": "results/figures/figure2.csv",
}


class TestDisks:
    """Full and read-only disks are reported, and the next run completes the results."""

    def test_disk_faults_before_jobs(self, finished, untrained):
        """Test ingestion, training, prediction and a table on read-only and full disks."""
        places = [untrained.directory / place for place in WRITTEN]
        (untrained.directory / WRITTEN["results/predictions/frozen"]).unlink()
        for place in places:
            place.mkdir(exist_ok=True)
        with ExitStack() as disks:
            for place in places:
                disks.enter_context(read_only(place))
            refused = untrained.run("--cores", "2", *WRITTEN.values(), check=False)
        assert refused.returncode
        assert "no job was started" in refused.stdout
        assert refused.stdout.count("is not writable. Change its permissions, or mount its disk") == len(places)
        with ExitStack() as disks:
            for place in places:
                disks.enter_context(small_disk(place, size="1m"))
                fill(place)
            failed = untrained.run("--cores", "2", *WRITTEN.values(), check=False)
            left = {path.name for place in places for path in place.rglob("*") if path.is_file()}
        assert failed.returncode
        for rule in ("corpus", "finetune", "predict", "figure2"):
            assert f"{rule}: the disk or quota is full" in failed.stdout
        assert "Traceback" not in refused.stdout + failed.stdout
        assert left == {"filler"}
        untrained.run("--cores", "2", *WRITTEN.values(), PREDICTED)
        assert contents(finished).items() <= contents(untrained).items()
        assert untrained.planned(SCORES, PREDICTED, *WRITTEN.values()) == []

    def test_disk_faults_during_training(self, finished, untrained):
        """The next run resumes from the last state that could be written."""
        place = untrained.directory / "results/runs/long"
        with small_disk(place, size="100m"):
            process, job = start_training(untrained)
            fill(place)
            job.resume()
            full, _ = process.communicate()
            (place / "filler").unlink()
            process = untrained.start("--cores", "2", PREDICTED, output=subprocess.PIPE)
            wait_until(lambda: "resuming after epoch" in log_of_training(untrained), "training", process=process)
            with read_only(place):
                protected, _ = process.communicate()
            assert process.returncode
            assert "finetune: the disk or quota is full" in full
            assert "finetune: the disk is read-only" in protected
            assert "Traceback" not in full
            untrained.run("--cores", "2", PREDICTED)
            assert "resuming after epoch" in log_of_training(untrained)
            assert contents(untrained) == contents(finished)


def fill(place: Path) -> None:
    """Fill a disk."""
    with suppress(OSError), open(place / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
