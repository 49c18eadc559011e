"""`make plan` and `make progress` on made-up jobs and files."""

import re

import plan
import progress
import pytest
import yaml
from conftest import ROOT

from ser.config import validation
from ser.config.experiments import Experiments
from ser.core.files import write_json, write_rows
from ser.snakemake_support.dry_run import Job


def job(rule, inputs=(), **wildcards):
    return Job(rule, wildcards, tuple(inputs), ())


class TestPlan:
    """Remaining jobs and downloads."""

    def test_mean_seconds_by_rule_and_model(self, tmp_path):
        jobs = {"finetune/m/A-to-any/0-shot/seed1": 10, "finetune/m/B-to-any/0-shot/seed1": 30, "pooled/A/clean/x": 5}
        jobs |= {"finetune/n/A-to-any/0-shot/seed1": 7}
        for name, seconds in jobs.items():
            path = tmp_path / "benchmarks" / f"{name}.tsv"
            path.parent.mkdir(parents=True)
            path.write_text(f"s\tcpu_time\n{seconds}\tNA\n")
        assert plan.mean_seconds(tmp_path) == {("finetune", "m"): 20, ("finetune", "n"): 7, ("pooled", ""): 5}
        write_json(tmp_path / "runs" / "n" / "A-to-any" / "0-shot" / "seed1" / "run.json", {"seconds": 99})  # resumed
        assert plan.mean_seconds(tmp_path)["finetune", "n"] == 99
        assert plan.mean_seconds(tmp_path / "nothing") == {}

    def test_jobs_and_hours(self):
        jobs = [job("finetune", model="m")] * 3 + [job("finetune", model="n"), job("corpus", corpus="A")]
        assert plan.report(jobs, {("finetune", "m"): 1800}).splitlines() == [
            "rule      model      jobs  total hours",
            "corpus                  1",
            "finetune  m             3  1.50",
            "finetune  n             1  not measured yet",
            "",
            "5 jobs to run.",
        ]
        measured = plan.report(jobs[:1] + jobs[3:4], {("finetune", "m"): 1800, ("finetune", "n"): 3})
        assert re.findall(r"finetune .*", measured) == [
            "finetune  m             1  0.50",
            "finetune  n             1  0.00",
        ]
        assert plan.report([], {}) == "Nothing to do."

    def test_downloads(self):
        encoder = "facebook--wav2vec2-base-0b5b8e868dd8"
        lines = plan.downloads(
            [
                job("download_corpus", archive="urdu.zip"),
                job("download_corpus", archive="emodb.v1-mirror.zip"),
                job("download_corpus", archive="iemocap.zip"),
                job("download_noise", environment="NPARK"),
                job("encoder", encoder=encoder),
                job("encoder", ["my-encoder/config.json"], encoder="my-encoder"),
                job("corpus", corpus="URDU"),
            ]
        )
        noise, mirror, published, urdu, iemocap = lines
        assert urdu == "Download: urdu.zip, 75 MB"
        assert mirror == "Download: emodb.v1-mirror.zip, unknown size"
        assert iemocap.startswith("Cannot start: IEMOCAP must be requested at https://sail.usc.edu/iemocap/")
        assert noise.startswith("Download: NPARK, ")
        assert noise.endswith(" MB")
        assert published.startswith(f"Download: {encoder}, ")
        assert published.endswith(" MB")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Change to an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestProgress:
    """Finished runs and predictions."""

    def test_existing_runs_and_predictions_are_counted(self, here):
        config = validation.load(yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8")))
        config["seeds"] = [1, 2]
        config["experiments"] = dict.fromkeys(config["experiments"]) | {
            "table2": {"models": ["cnn-lstm", "xlsr"], "sources": ["EMODB"], "targets": ["URDU", "EMOVO"]},
            "figure2": {"models": ["xlsr"], "source": "EMODB", "targets": ["URDU"], "shots": [0, 50]},
        }
        for path in (
            "results/runs/xlsr/EMODB-to-any/0-shot/seed1/run.json",
            "results/runs/xlsr/EMODB-to-URDU/50-shot/seed2/run.json",
            "results/predictions/xlsr/EMODB-to-any/0-shot/seed1.csv",
        ):
            write_rows(here / path, (), [])
        assert progress.table(Experiments(config)).splitlines() == [
            "experiment    model     trained    predicted",
            "table2        cnn-lstm  0/2        0/2",
            "table2        xlsr      1/2        1/2",
            "figure2       xlsr      2/4        1/4",
        ]

    def test_configuration_files_are_merged_in_order(self, here):
        texts = {"config/config.yaml": "{seeds: [1], training: {epochs: 5, batch_size: 16}}"}
        texts |= {"other.yaml": "training: {epochs: 1}"}
        for name, text in texts.items():
            (here / name).parent.mkdir(exist_ok=True)
            (here / name).write_text(text)
        expected = {"seeds": [1], "training": {"epochs": 1, "batch_size": 16}}
        assert progress.merged_config([here / "other.yaml"]) == expected

    def test_missing_directory_is_rejected(self, here):
        with pytest.raises(progress.UserError, match="nowhere does not exist"):
            progress.main(["--directory", "nowhere"])


def test_every_rule_with_a_gpu_is_measured_and_in_the_cluster_profile():
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    with_gpu = [rule.partition(":")[0] for rule in re.split(r"(?m)^rule ", rules)[1:] if "gpu=settings.gpu" in rule]
    profile = (ROOT / "profiles" / "slurm" / "profile.yaml").read_text(encoding="utf-8")
    assert sorted(with_gpu) == sorted(plan.MEASURED) == sorted(re.findall(r"(\w+):slurm_partition=GPUS", profile))
