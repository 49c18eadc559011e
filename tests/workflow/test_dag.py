"""Jobs planned for the paper's configuration, named targets, and mistakes that stop a run."""

import re
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT
from workflow_tools import Workflow

from ser.core.paths import SCRIPTS
from ser.snakemake_support.dry_run import parse


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """Return the paper's experiments with one seed, so that plans take a fraction of the time."""
    workflow = Workflow(tmp_path_factory.mktemp("paper") / "repository", directory="experiment")
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    workflow.configure(config | {"seeds": [1]})
    return workflow


def test_whole_grid_is_planned_without_corpora(paper):
    counts = paper.rules_planned()
    assert counts["corpus"] == counts["corpus_audit"] == counts["download_corpus"] == 4
    assert counts["download_noise"] == 5
    assert counts["encoder"] == 8
    assert counts["noise"] == 3
    assert counts["split"] == 11
    assert counts["few_shot"] == 12
    assert counts["finetune"] == 80 + 84 + 15 + 8 + 6 + 24  # both recipes, within, random_init, tuning, size_matched
    assert counts["predict"] == counts["finetune"]
    text = (ROOT / "workflow/rules/figures.smk").read_text(encoding="utf-8")
    assert counts.keys() >= {*re.findall(r"^(?:rule|use rule \w+ as) (\w+)", text, re.MULTILINE)}
    assert counts["measures"] == 2
    assert counts["differences"] == 5


def test_table_is_a_named_target(paper):
    dry_run = paper.run("--dry-run", "table2").stdout
    for rule in ("finetune", "predict"):
        assert "gpu=1" in dry_run.partition(f"rule {rule}:")[2].partition("\n\n")[0]
    jobs = parse(dry_run)
    assert any("results/tables/table2.csv" in job.outputs for job in jobs)
    rules = [job.rule for job in jobs]
    assert rules.count("finetune") == rules.count("predict") == 20
    assert not {*rules} & {"few_shot", "figure2", "figure3", "claims"}


def test_help_lists_every_target(paper):
    """Compare with the targets of `make` and of Snakemake."""
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE)) <= set(shown.split())
    listed = paper.run("--list-target-rules").stdout
    named = set(re.findall(r"^(\w+)(?: \(.*)?$", listed, re.MULTILINE)) - {"all", "SNAKEMAKE"}
    assert named
    assert set(re.findall(r"\w+", shown.split("NAME is one of")[1])) >= named


def test_snakemake_alone_plans_jobs_of_another_environment(paper):
    """With `--software-deployment-method`, Snakemake may have no packages but those of its Slurm plugin."""
    of_jobs = ("scipy", "librosa", "soundfile", "soxr", "torch", "transformers", "peft", "matplotlib", "seaborn")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({of_jobs})); sys.path.append({str(SCRIPTS)!r});"
        "from ser.core.machine_checks import missing_caches; assert missing_caches() == [];"
        "from snakemake.cli import main; main()"
    )
    arguments = paper.command("--dry-run", "--quiet", "--cores", "1", "results/tables/table2.csv")[3:]
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=paper.repository, check=True)


def test_missing_iemocap_stops_a_run_before_any_work(paper):
    result = paper.run("--cores", "1", "corpora", check=False)
    assert result.returncode != 0
    assert "corpora.IEMOCAP.path is not set" in result.stdout
    assert "https://sail.usc.edu/iemocap/" in result.stdout
    assert "Finished job" not in result.stdout
    assert not list((paper.directory / "resources").glob("**/*.zip"))


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


def test_own_archive_is_never_overwritten_by_a_download(paper):
    original, archive = paper.config(), paper.directory / "resources/corpora/urdu.zip"
    config = paper.config()
    config["corpora"]["URDU"]["path"] = "resources/corpora/urdu.zip"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"the user's own")
    paper.configure(config)
    try:
        assert paper.rules_planned("--forceall", "results/corpora/URDU/utterances.csv") == {"corpus": 1}
    finally:
        paper.configure(original)
        archive.unlink()
