"""Provenance of made-up folders: code, packages, versions and costs."""

import subprocess

import pytest
from conftest import ROOT

from ser.core import files
from ser.core.paths import RunId
from ser.snakemake_support import provenance


@pytest.fixture
def repository(tmp_path):
    """Create a git repository with one commit."""
    for arguments in (
        ("init", "--quiet"),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "-m", "first"),
    ):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    return tmp_path


def test_commit_and_uncommitted_changes(repository):
    clean = provenance.commit(repository)
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (repository / "results-of-a-run").mkdir()
    (repository / "results-of-a-run" / "file").touch()
    assert provenance.commit(repository) == clean
    (repository / "workflow").mkdir()
    (repository / "workflow" / "rule.smk").touch()
    assert provenance.commit(repository) == clean | {"dirty": True}


def test_folder_without_a_repository(tmp_path):
    found = provenance.commit(tmp_path)
    assert found["commit"] is None
    assert "not a git checkout" in found["reason"]


def test_repository_without_commits(tmp_path):
    subprocess.run(["git", "-C", str(tmp_path), "init", "--quiet"], check=True)
    found = provenance.commit(tmp_path)
    assert found["commit"] is None
    assert found["reason"].startswith("git: ")


def test_packages_exclude_test_tools():
    found = provenance.packages(ROOT / "envs" / "requirements.txt")
    assert {"python", "torch", "snakemake", "transformers"} <= found.keys()
    assert not {"pytest", "ruff"} & found.keys()


def test_mixed_versions_are_counted():
    runs = [{"device": "cpu (x86_64)", "precision": "float32", "threads": 1, "versions": {"torch": v}} for v in "112"]
    assert provenance.across_runs(runs)["torch"] == {"1": 2, "2": 1}


def test_costs(tmp_path):
    def benchmark(name, seconds, cpu):
        path = tmp_path / "results" / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tcpu_time\n{seconds}\t0:00\t{cpu}\n")

    def run(seed, device):
        found = RunId("m", "A", "any", 0, seed)
        seconds = {1: 3600, 2: 7200, 3: 1800, 9: 99999}[seed]  # the third was interrupted: its last job took 600
        files.write_json(tmp_path / found.folder / "run.json", {"device": device, "seconds": seconds})
        return found

    benchmark("finetune/m/A-to-any/0-shot/seed1", 3600, 1800)
    benchmark("finetune/m/A-to-any/0-shot/seed2", 7200, "NA")
    benchmark("finetune/m/A-to-any/0-shot/seed3", 600, 300)
    benchmark("calibrate/m/A-to-any/0-shot/seed9", 99999, 1)
    run(9, "NVIDIA H100")  # of another configuration
    benchmark("predict/m/A-to-any/0-shot/seed1", 360, 36)
    benchmark("pooled/A/clean/x", 36, 36)

    found = provenance.costs(tmp_path / "results", [run(1, "cpu (x86_64)"), *(run(n, "NVIDIA H100") for n in (2, 3))])
    assert list(found) == ["finetune", "predict", "pooled", "calibrate"]
    assert found["finetune"] == {"jobs": 3, "wall_hours": 3.5, "cpu_hours": 0.5833, "gpu_hours": 2.5}
    assert found["predict"] == {"jobs": 1, "wall_hours": 0.1, "cpu_hours": 0.01}
    assert found["calibrate"]["jobs"] == 0
    assert provenance.costs(tmp_path / "absent", []) == {}
