"""Jobs planned for the paper's configuration, and errors in its inputs."""

import shutil
import subprocess
import sys
import time

import pytest
import yaml
from conftest import ROOT, SMALL_EMOVO, noise_bytes, write_tree
from workflow_tools import Workflow

from ser.core.paths import SCRIPTS


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    workflow = Workflow(tmp_path_factory.mktemp("paper") / "repository", directory="experiment")
    shutil.copy2(ROOT / "config" / "config.yaml", workflow.directory / "config" / "config.yaml")
    return workflow


def test_whole_grid_is_planned_without_corpora(paper):
    started = time.perf_counter()
    jobs = paper.planned()
    print(f"dry run of the paper's configuration: {time.perf_counter() - started:.1f} s, {len(jobs)} jobs")
    counts = {rule: sum(job == rule for job, _ in jobs) for rule, _ in jobs}
    assert counts["corpus"] == counts["corpus_audit"] == counts["download_corpus"] == 4
    assert counts["download_noise"] == 5
    assert counts["encoder"] == 8
    assert counts["noise"] == 3
    assert counts["split"] == 55
    assert counts["few_shot"] == 60
    assert counts["finetune"] == 520 + 75 + 40 + 30 + 120  # main results, within, random_init, tuning, size_matched
    assert counts["predict"] == counts["finetune"]


def test_snakemake_alone_plans_jobs_of_another_environment(paper):
    """With `--software-deployment-method`, Snakemake may have no packages but those of its Slurm plugin."""
    of_jobs = ("scipy", "librosa", "soundfile", "soxr", "torch", "transformers", "peft", "matplotlib", "seaborn")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({of_jobs})); sys.path.append({str(SCRIPTS)!r});"
        "from ser.core.surroundings import missing_caches; assert missing_caches() == [];"
        "from snakemake.cli import main; main()"
    )
    arguments = paper.command("--dry-run", "--quiet", "--cores", "1", "results/tables/table2.csv")[3:]
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=paper.repository, check=True)


def test_table_alone_plans_no_few_shot_runs(paper):
    """Runs of the converged table also predict the conditions that other configured experiments need."""
    original = paper.config()
    config = original | {"seeds": [1]}
    alone = config | {"experiments": {"table2_converged": config["experiments"]["table2_converged"]}}
    try:
        paper.configure(config)
        rules = paper.rules_planned("results/tables/table2.csv")
        assert rules["finetune"] == rules["predict"] == 20
        assert not rules.keys() & {"noise", "download_noise", "few_shot"}
        rules = paper.rules_planned("results/tables/table2_converged.csv")
        assert (rules["finetune"], rules["noise"]) == (24, 3)
        paper.configure(alone)
        rules = paper.rules_planned("results/tables/table2_converged.csv")
        assert not rules.keys() & {"noise", "download_noise", "few_shot"}
    finally:
        paper.configure(original)


def test_jobs_with_a_model_request_a_gpu(paper):
    dry_run = paper.run("--dry-run", "results/runs/xlsr/EMODB-to-any/0-shot/seed1/weights.safetensors").stdout
    block = dry_run[dry_run.index("rule finetune:") :]
    assert "gpu=1" in block


def test_missing_iemocap_stops_a_run_before_any_work(paper):
    result = paper.run("--cores", "1", "corpora", check=False)
    assert result.returncode != 0
    assert "corpora.IEMOCAP.path is not set" in result.stdout
    assert "https://sail.usc.edu/iemocap/" in result.stdout
    assert "Finished job" not in result.stdout
    assert not list((paper.directory / "resources").glob("**/*.zip"))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda config: config.update(seeed=[1]), "seeed: unknown key; did you mean 'seeds'?"),
        (
            lambda config: config["corpora"]["IEMOCAP"].update(path="nowhere/IEMOCAP_full_release"),
            "corpora.IEMOCAP.path: nowhere/IEMOCAP_full_release does not exist",
        ),
    ],
    ids=["unknown key", "missing corpus"],
)
def test_mistakes_stop_a_dry_run(paper, edit, message):
    original = paper.config()
    config = yaml.safe_load(yaml.safe_dump(original))
    edit(config)
    paper.configure(config)
    try:
        result = paper.run("--dry-run", check=False)
    finally:
        paper.configure(original)
    assert result.returncode != 0
    assert message in result.stdout


def test_duplicate_key_stops_a_dry_run(paper):
    path = paper.directory / "config" / "config.yaml"
    original = path.read_text(encoding="utf-8")
    path.write_text(f"{original}\nseeds: [1]\n")
    try:
        result = paper.run("--dry-run", check=False)
    finally:
        path.write_text(original)
    assert result.returncode != 0
    assert "seeds: duplicate key in config/config.yaml" in result.stdout


@pytest.fixture
def small(tmp_path):
    """Return a workflow with a corpus of two utterances per emotion and speaker."""
    workflow = Workflow(tmp_path / "repository", directory="small")
    write_tree(workflow.directory / "EMOVO", {name: noise_bytes(name) for name in SMALL_EMOVO})
    config = yaml.safe_load((ROOT / "config" / "emodb-urdu.yaml").read_text(encoding="utf-8"))
    config["corpora"] = {
        "SMALL": {"format": "emovo", "language": "Italian", "path": "EMOVO", "verify": "none"},
        "OTHER": {"format": "urdu", "language": "Urdu", "path": "resources/corpora/urdu.zip"},
    }
    config["experiments"]["table2"] |= {"sources": ["SMALL"], "targets": ["OTHER"]}
    workflow.configure(config)
    write_tree(workflow.directory, {"resources/corpora/urdu.zip": b"the user's own"})
    return workflow


class TestBadInput:
    """Input errors stop the job that finds them: one message, no output."""

    def test_unreadable_recording(self, small):
        (small.directory / "EMOVO" / SMALL_EMOVO[3]).write_bytes(b"")
        target = "results/corpora/SMALL/utterances.csv"
        result = small.run("--cores", "1", target, check=False)
        assert result.returncode != 0
        assert f"{SMALL_EMOVO[3]} is empty (0 bytes)" in result.stdout
        assert "Traceback" not in result.stdout
        assert not (small.directory / target).exists()
        assert not list((small.directory / "results").glob("**/.*.*"))
        assert "EMOVO: 1 recordings" in (small.directory / "results/logs/corpus/SMALL.log").read_text(encoding="utf-8")

    def test_own_archive_is_never_overwritten_by_a_download(self, small):
        assert small.config()["corpora"]["OTHER"]["path"] == "resources/corpora/urdu.zip"
        assert small.rules_planned("--forceall", "results/corpora/OTHER/utterances.csv") == {"corpus": 1}

    def test_null_experiments_plan_nothing(self, small):
        config = small.config()
        config["experiments"]["table2"] = None
        small.configure(config)
        assert small.planned() == []

    def test_few_shot_runs_alone_have_a_table1(self, small):
        config = small.config()
        figure = {"models": ["cnn-lstm"], "source": "SMALL", "targets": ["OTHER"], "shots": [50]}
        config["experiments"] |= {"table2": None, "figure2": figure}
        small.configure(config)
        jobs = small.planned()
        assert [rule for rule, _ in jobs].count("table1") == 1
        assert {run["shots"] for rule, run in jobs if rule == "finetune"} == {"50"}
