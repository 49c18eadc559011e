"""What is left of an experiment will cost: beside what Snakemake plans, and from made-up jobs with known answers."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter

import plan
import pytest
import yaml
from conftest import ROOT

from ser.config import validation
from ser.core import reference_data
from ser.core.errors import UserError
from ser.legacy import costs, dry_run, planning, reasons
from ser.legacy.costs import Cost
from ser.legacy.dry_run import Job
from ser.legacy.estimates import Estimates
from ser.legacy.planning import Task

PAPER = ROOT / "config" / "config.yaml"


def place(folder, config):
    """A working directory with a configuration, in which nothing is done."""
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return folder


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def counts_in(report):
    """Jobs by rule, as a report lists them."""
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)  ", report, re.MULTILINE)}


class TestBesideSnakemake:
    def test_the_demo_from_nothing(self, tmp_path, capsys):
        for part in ("config", "speech", "checkpoints"):
            shutil.copytree(ROOT / "demo" / part, tmp_path / part)
        before = sorted(path for path in tmp_path.rglob("*"))
        plan.main(["--directory", str(tmp_path), "--cores", "2"])
        report = capsys.readouterr().out
        assert sorted(path for path in tmp_path.rglob("*") if ".snakemake" not in path.parts) == before

        locks = tmp_path / ".snakemake" / "locks"  # as a Snakemake that runs there has them
        locks.mkdir(exist_ok=True)
        (locks / "0.output.lock").write_text("results/scores.csv\n", encoding="utf-8")
        jobs = dry_run.planned(tmp_path, [])
        assert [path.name for path in locks.iterdir()] == ["0.output.lock"]
        assert counts_in(report) == Counter(job.rule for job in jobs)
        assert counts_in(report)["finetune"] == 78
        assert f"\n{len(jobs)} jobs: 0." in report
        assert "not measured" not in report
        assert "German: as the demo spoke it once" in report
        # 6 min 50 s when it was measured on 2 cores (docs/running.md)
        minutes = float(re.search(r"Wall time by cores:\n.*\n +\S+ min +(\S+) min", report)[1])
        assert 6.8 / 2 < minutes < 6.8 * 2

    def test_the_papers_grid_on_gpus_is_said_to_be_arithmetic(self, tmp_path, capsys):
        """With an encoder and a corpus that nobody knows."""
        config = read(PAPER)
        config["models"]["xlsr"]["checkpoint"] = "somebody/encoder"
        config["corpora"]["URDU"] = {"format": "table", "language": "Urdu", "path": str(tmp_path / "mine.csv")}
        (tmp_path / "mine.csv").write_text("file,speaker,emotion\nnowhere.wav,1,angry\n", encoding="utf-8")
        plan.main(["--directory", str(place(tmp_path / "here", config)), "--gpus", "3"])
        report = capsys.readouterr().out
        assert counts_in(report)["finetune"] == 435
        assert counts_in(report)["predict"] == 780
        assert re.search(r"1383 jobs: [\d.]+ GPU-hours \(not measured: arithmetic\)", report)
        assert re.search(r"Wall time by GPUs, one job on each \(not measured: arithmetic\):\n +1 +2 +3 +4 +8\n", report)
        assert "NOT MEASURED ON A GPU, ARITHMETIC: " in report
        assert "somebody/encoder: of unknown size, taken for a large encoder" in report
        assert "URDU: not known before it is ingested; assumed" in report
        assert "IEMOCAP: as published, 5,531 utterances" in report
        assert "corpora.IEMOCAP.path is not set" in report

    def test_what_snakemake_refuses_is_said(self, tmp_path):
        config = read(PAPER)
        config["corpora"]["IEMOCAP"]["path"] = "nowhere"
        with pytest.raises(UserError, match=r"corpora.IEMOCAP.path: nowhere does not exist"):
            plan.main(["--directory", str(place(tmp_path / "here", config))])


DRY_RUN = """Building DAG of jobs...
Job stats:
job        count
-------  -------
all            1
predict        1
total          3

[Tue Nov 24 20:45:14 2026]
rule finetune:
    output: results/runs/a/weights.safetensors, results/runs/a/run.json
    jobid: 3
    reason: Missing output files: results/runs/a/run.json
    wildcards: model=a, source=X, target=any, shots=0, seed=1
    resources: tmpdir=/tmp, gpu=1

[Tue Nov 24 20:45:14 2026]
localrule predict:
    input: results/runs/a/weights.safetensors, /my, own/audio.wav
    output: results/predictions/a.csv
    wildcards: model=a

[Tue Nov 24 20:45:14 2026]
localrule all:
    input: results/predictions/a.csv
    jobid: 0
"""


def test_a_dry_run_is_read():
    training, prediction = dry_run.parse(DRY_RUN)
    assert training.rule == "finetune"
    assert training.inputs == ()
    assert training.outputs == ("results/runs/a/weights.safetensors", "results/runs/a/run.json")
    assert training.wildcards == {"model": "a", "source": "X", "target": "any", "shots": "0", "seed": "1"}
    assert (prediction.rule, prediction.wildcards) == ("predict", {"model": "a"})
    assert planning.tasks_of([training, prediction], [1, 2], gpu=True) == [
        Task(1, True, frozenset()),
        Task(2, True, frozenset({0})),
    ]


class TestWallTime:
    """A preparation of 10 s, four trainings of 100 s behind it, and 5 s behind each of them."""

    TASKS = (
        Task(10, False, frozenset()),
        *(Task(100, True, frozenset({0})) for _ in range(4)),
        *(Task(5, False, frozenset({number})) for number in range(1, 5)),
    )

    @pytest.mark.parametrize(
        ("cores", "gpus", "seconds"),
        [
            (8, 1, 10 + 400 + 5),  # what follows a training runs beside the next
            (8, 2, 10 + 200 + 5),
            (8, 4, 10 + 100 + 5),
            (8, 100, 10 + 100 + 5),  # a single job bounds it
            (1, 4, 10 + 400 + 20),
            (2, 4, 10 + 200 + 10),
        ],
    )
    def test_on_gpus(self, cores, gpus, seconds):
        assert planning.wall_time(self.TASKS, cores, gpus) == seconds

    def test_on_cores(self):
        tasks = [Task(task.seconds, False, task.after) for task in self.TASKS]
        assert planning.wall_time(tasks, 4, 0) == 10 + 100 + 5
        assert planning.wall_time(tasks, 1, 0) == sum(task.seconds for task in tasks)
        assert planning.wall_time([], 1, 0) == 0


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def finished_run(folder, wildcards, *, took, benchmark=None, device="cpu (x86_64)", epochs=5, memory=1e9):
    """Files that a finished training leaves, as far as a plan reads them."""
    name = "{model}/{source}-to-{target}/{shots}-shot/seed{seed}".format(**wildcards)
    run, tsv = folder / "results/runs" / name / "run.json", folder / f"results/benchmarks/finetune/{name}.tsv"
    for path in (run, tsv):
        path.parent.mkdir(parents=True, exist_ok=True)
    training = {"epochs": epochs, "batch_size": 16}
    record = {"device": device, "seconds": took, "peak_memory_bytes": memory, "settings": {"training": training}}
    run.write_text(json.dumps(record), encoding="utf-8")
    tsv.write_text(f"s\tcpu_time\n{benchmark or took}\tNA\n", encoding="utf-8")


class TestFinishedJobs:
    WILDCARDS = {"model": "xlsr", "source": "EMODB", "target": "any", "shots": "0"}  # noqa: RUF012

    @pytest.fixture
    def estimates(self):
        return Estimates(validation.load(read(PAPER) | {"device": "cpu"}))

    def test_their_median_corrects_the_table(self, here, estimates):
        expected = estimates.of("finetune", self.WILDCARDS)
        for seed, ratio in enumerate((0.5, 2, 40), start=1):
            finished_run(
                here,
                self.WILDCARDS | {"seed": seed},
                took=ratio * expected.seconds,
                benchmark=1,  # the end of one that was interrupted
                memory=3 * expected.memory,
            )
        found = planning.finished(here / "results", estimates)
        assert found.keys() == {("finetune", "xlsr")}
        measured = found["finetune", "xlsr"]
        assert (measured.jobs, measured.seconds, measured.memory) == (3, pytest.approx(2), pytest.approx(3))
        corrected = planning.corrected(expected, measured)
        assert corrected.seconds == pytest.approx(2 * expected.seconds)
        assert corrected.memory == pytest.approx(3 * expected.memory)
        job = Job("finetune", self.WILDCARDS | {"seed": "4"}, (), ())
        made = planning.plan([job], estimates, found, [1])
        assert made.costs == [corrected]
        assert "finetune xlsr 2.00 (3)" in planning.report(made)

    def test_settings_of_then_not_of_now(self, here, estimates):
        ten = estimates.of("finetune", self.WILDCARDS, {"epochs": 10, "batch_size": 16})
        finished_run(here, self.WILDCARDS | {"seed": 1}, took=ten.seconds, epochs=10)
        assert planning.finished(here / "results", estimates)["finetune", "xlsr"].seconds == pytest.approx(1)

    def test_those_of_another_device_say_nothing(self, here, estimates):
        finished_run(here, self.WILDCARDS | {"seed": 1}, took=1, device="NVIDIA H100")
        assert planning.finished(here / "results", estimates) == {}

    def test_on_a_gpu_they_take_the_place_of_arithmetic(self, here):
        estimates = Estimates(validation.load(read(PAPER)))
        jobs = [Job("finetune", self.WILDCARDS | {"seed": "2", "model": model}, (), ()) for model in ("xlsr", "mms")]
        assert planning.plan(jobs, estimates, {}, [1]).unmeasured == ["mms", "xlsr"]
        finished_run(here, self.WILDCARDS | {"seed": 1}, took=100, device="NVIDIA H100")
        found = planning.finished(here / "results", estimates)
        assert planning.plan(jobs, estimates, found, [1]).unmeasured == ["mms"]

    def test_what_is_no_more_is_passed_over(self, here, estimates):
        for wildcards in ({"model": "gone"}, {"source": "GONE"}):
            finished_run(here, self.WILDCARDS | {"seed": 1} | wildcards, took=1)
        (here / "results/benchmarks/corpus").mkdir()
        (here / "results/benchmarks/corpus/GONE.tsv").write_text("s\tcpu_time\n3\tNA\n", encoding="utf-8")
        assert planning.finished(here / "results", estimates) == {}


class TestReport:
    JOBS = (
        Job("encoder", {"encoder": "facebook--wav2vec2-base-0b5b8e868dd8"}, (), ("weights",)),
        Job("noise", {"corpus": "EMODB", "condition": "noisy"}, (), ("noisy",)),
    )

    def test_nothing(self):
        assert planning.report(planning.Plan([], [], False, {1: 0.0}, [], [])).startswith("Nothing to do")

    def test_sizes(self, here):
        estimates = Estimates(validation.load(read(PAPER)))
        made = planning.plan(self.JOBS, estimates, {}, [1])
        encoder, noise = made.costs
        assert encoder.downloaded == 380_267_417
        assert encoder.written == 4 * 94_370_944
        assert noise.written == pytest.approx(1179 * 32_000, rel=0.01)
        report = planning.report(made)
        assert "Downloads: 380 MB" in report
        assert "Disk, with downloads: 796 MB" in report
        assert "downloads at 10 MB/s" in report
        fetched = planning.plan(self.JOBS, estimates, {}, [1], fetched={"facebook--wav2vec2-base-0b5b8e868dd8"})
        assert "Downloads: 0 MB" in planning.report(fetched)
        assert fetched.costs[0].seconds == pytest.approx(encoder.seconds - 38.0267417)

    def test_longer_lists_take_longer_on_fewer(self):
        jobs = [Job("score", {"experiment": str(i)}, (), (str(i),)) for i in range(8)]
        made = planning.plan(jobs, Estimates(validation.load(read(PAPER) | {"device": "cpu"})), {}, [1, 4])
        table = reference_data.read("costs.yaml")
        each = table["rules"]["score"]["start"] + table["snakemake"]["job"]
        assert made.wall == {n: pytest.approx(table["snakemake"]["start"] + 8 / n * each) for n in (1, 4)}

    def test_the_largest_job_is_named(self):
        jobs = [Job("score", {}, (), ()), Job("finetune", {"model": "xlsr", "seed": "1"}, (), ())]
        made = planning.Plan(jobs, [Cost(1, 1e6), Cost(2, 3.2e9)], False, {1: 3.0}, [], [])
        assert "Main memory of the largest job: 3.2 GB (finetune xlsr)" in planning.report(made)


def test_every_rule_of_the_table_is_one_of_the_workflow():
    rules = {
        name
        for path in (ROOT / "workflow" / "rules").glob("*.smk")
        for name in re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert costs.Table(reference_data.read("costs.yaml"), "cpu").rules.keys() - {"other", "download"} <= rules
    assert planning.BENCHMARKS.keys() <= rules


class TestPlan:
    """What is left will cost, by Snakemake's own judgement of what is left."""

    @staticmethod
    def plan(demo):
        command = [sys.executable, "workflow/scripts/plan.py", "--directory", str(demo.directory), "--cores", "2"]
        result = subprocess.run(command, cwd=demo.repository, stdout=subprocess.PIPE, text=True, check=True)
        return result.stdout, {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)  ", result.stdout, re.MULTILINE)}

    def test_nothing_is_left(self, finished_demo):
        assert self.plan(finished_demo)[0] == "Nothing to do: every result is there, and up to date.\n"

    def test_an_edit_is_planned_at_the_price_of_finished_jobs(self, finished_demo):
        before = finished_demo.config()
        edited = finished_demo.config()
        edited["models"]["xlsr"]["tuning"]["rank"] = 4
        files = {path: path.stat().st_mtime_ns for path in (finished_demo.directory / "results").rglob("*")}
        finished_demo.configure(edited)
        try:
            report, counts = self.plan(finished_demo)
            assert counts == finished_demo.rules_planned()
        finally:
            finished_demo.configure(before)
        assert {path: path.stat().st_mtime_ns for path in (finished_demo.directory / "results").rglob("*")} == files
        assert counts["finetune"] == 4
        assert re.search(r"finetune xlsr [\d.]+ \(4\), ", report)
        assert "as the demo spoke it" not in report  # it was ingested

    def test_half_done(self, finished_demo):
        unfinished = ("predictions/cnn-lstm/*/50-shot/*/clean.csv", "scores/figure2*.csv", "figures/figure2.*")
        gone = [path for pattern in unfinished for path in (finished_demo.directory / "results").glob(pattern)]
        kept = {path: path.read_bytes() for path in gone}
        times = {path: path.stat() for path in gone}
        for path in gone:
            path.unlink()
        try:
            report, counts = self.plan(finished_demo)
            assert counts == finished_demo.rules_planned()
        finally:
            for path, content in kept.items():
                path.write_bytes(content)
                os.utime(path, ns=(times[path].st_atime_ns, times[path].st_mtime_ns))
        assert (counts["predict"], counts["score"], counts["figure2"]) == (2, 1, 1)
        assert not counts.keys() & {"finetune", "corpus", "encoder"}
        assert re.search(r"predict cnn-lstm [\d.]+ \(\d+\)", report)


class TestWhy:
    """What an edit changed, in words, beside what Snakemake says of the same jobs."""

    def test_a_run_from_the_start_needs_no_reasons(self):
        jobs = [Job("predict", {}, (), (), "Missing output files: a, b; Input files updated by another job: c")]
        assert planning._why(jobs) == ""

    @pytest.mark.parametrize(
        ("reason", "words"),
        [
            ("Missing output files: a", ["not there yet"]),
            ("Incomplete output files: a", ["interrupted"]),
            ("Updated input files: a, b", ["changed: a, b"]),
            ("Input files updated by another job: a", []),
            ("Forced execution", ["asked for by --forcerun or --forceall"]),
            (
                "Forced execution; Params have changed since last execution: a: 1, now 2; b changed",
                ["a: 1, now 2", "b changed"],
            ),
            ("Params have changed since last execution: a: 1, now 2; Software environment x", ["a: 1, now 2"]),
        ],
    )
    def test_reasons_in_words(self, reason, words):
        found = reasons.causes(reason)
        assert found[-len(words) :] == words if words else found == []

    @pytest.mark.parametrize(
        ("before", "now", "words"),
        [
            (
                {"code": "0123456789abcdef", "model": {"rank": 16, "old": None}, "training": [1]},
                {"code": "f123456789abcdef", "model": {"rank": 8, "new": "x; y"}, "training": [1]},
                [
                    "code changed",
                    "model.new: 'x, y', absent before",
                    "model.old: null, now absent",
                    "model.rank: 16, now 8",
                ],
            ),
            ({"x": 1}, {"x": "long " * 30}, ["x: 1, now " + "'" + "long " * 15 + "..."]),
        ],
    )
    def test_settings_in_words(self, before, now, words):
        assert reasons.changes({repr(before)}, {repr(now)}) == words
        assert reasons.changes({repr(before), "{}"}, {repr(now)}) == ["other settings"]

    def test_edits_of_a_finished_run(self, finished_demo, tmp_path):
        run = finished_demo.copy(tmp_path / "copy")
        config = run.config()
        config["conditions"]["noisy"]["snr_db"] = 5
        config["models"]["xlsr"] |= {"training": config["models"]["xlsr"].get("training", {}) | {"learning_rate": 0.03}}
        run.configure(config)
        jobs = dry_run.planned(run.directory, [])
        tunings = sum(job.rule == "finetune" for job in jobs)
        noises = sum(job.rule == "noise" for job in jobs)
        assert tunings
        assert noises
        why = planning._why(jobs)
        assert re.search(rf"\n  - training\.learning_rate: [\d.e-]+, now 0\.03: {tunings} finetune\n", f"{why}\n")
        assert re.search(rf"\n  - snr_db: 10, now 5: {noises} noise\n", f"{why}\n")
        assert "code" not in why
        assert "not there yet" not in why
