"""The Workflow Catalog layout, use as a module, pinned versions and the citation."""

import inspect
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT
from snakemake.scheduling.job_scheduler import JobScheduler
from workflow_tools import Workflow

from ser.snakemake_support.dry_run import parse


def read_yaml(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def pinned_versions():
    """Return the pinned versions by lower-case package name."""
    lines = (ROOT / "envs" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return {name.lower(): version for name, _, version in (line.partition("==") for line in lines) if version}


# --- The Workflow Catalog ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Return a copy of the repository with a small configuration in its working directory."""
    clone = Workflow(tmp_path_factory.mktemp("mine") / "cross-language-ser", directory="own")
    shutil.copy2(ROOT / "config" / "emodb-urdu.yaml", clone.directory / "config" / "config.yaml")
    return clone


@pytest.fixture(scope="module")
def planned(clone):
    """Return rules and outputs of the jobs that the clone plans."""
    jobs = plan(["--snakefile", clone.repository / "Snakefile", "--directory", clone.directory], clone.directory)
    assert len(jobs) > 50
    return jobs


def plan(arguments, folder, leave_out="", prefix="") -> list[tuple]:
    """Return rule, without a prefix, and outputs of the jobs that Snakemake plans in a folder."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nocolor", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "Using workflow specific profile" in result.stdout + result.stderr  # it has the rerun triggers
    jobs = [job for job in parse(result.stdout + result.stderr) if job.rule != leave_out]
    return sorted((job.rule.removeprefix(prefix), sorted(job.outputs)) for job in jobs)


def test_catalog_layout_plans_the_same_jobs(clone, planned):
    assert (ROOT / "config" / "README.md").exists()
    usage = read_yaml(".snakemake-workflow-catalog.yml")["usage"]
    assert usage["software-stack-deployment"] == {"conda": True, "report": usage["report"]}
    snakefile = clone.repository / "workflow" / "Snakefile"
    assert plan(["--snakefile", snakefile, "--directory", clone.directory], clone.directory, "default") == planned


def test_module_leaves_the_default_target(tmp_path):
    clone = Workflow(tmp_path / "cross-language-ser", directory="own")
    text = (ROOT / "docs" / "how-to" / "use-as-a-module.md").read_text(encoding="utf-8")
    recipe = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    (tmp_path / "Snakefile").write_text(f"rule mine:\n    output: touch('mine')\n\n{recipe}", encoding="utf-8")
    shutil.copytree(ROOT / "config", tmp_path / "config")
    shutil.copy2(ROOT / "config" / "emodb-urdu.yaml", tmp_path / "config" / "config.yaml")
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1"]
    result = subprocess.run(command, cwd=clone.repository.parent, capture_output=True, text=True, check=True)
    assert [job.rule for job in parse(result.stdout + result.stderr)] == ["mine"]
    assert "not present in the Snakefile" not in result.stdout + result.stderr


def test_recipe_for_use_as_a_module_plans_the_same_jobs(clone, planned):
    """Run the recipe of docs/how-to/use-as-a-module.md."""
    text = (ROOT / "docs" / "how-to" / "use-as-a-module.md").read_text(encoding="utf-8")
    folder = clone.repository.parent
    (folder / "Snakefile").write_text(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], encoding="utf-8")
    shutil.copytree(clone.directory / "config", folder / "config")
    (command,) = re.findall(r"^snakemake (.*)$", text, re.MULTILINE)
    assert plan(command.split(), folder, "ser_all", "ser_") == planned


# --- Pinned versions --------------------------------------------------------------------------


CONDA_NAMES = {"pysoundfile": "soundfile", "pytorch": "torch", "soxr-python": "soxr"}
NOT_IN_JOBS = {"snakemake", "snakemake-executor-plugin-slurm", "tabulate"}  # of Snakemake and of commands


def test_conda_and_pip_have_the_same_versions():
    *conda, nested = read_yaml("envs/ser.yaml")["dependencies"]
    pins = dict(line.split("=") for line in conda if "=" in line)
    assert pins.pop("python") == "3.11"
    versions = {CONDA_NAMES.get(name, name): version for name, version in pins.items()}
    versions |= dict(line.split("==") for line in nested["pip"])
    text = (ROOT / "envs" / "requirements.txt").read_text(encoding="utf-8")
    workflow_pins = text.split("# The workflow\n")[1].split("\n\n")[0].lower().splitlines()
    expected = dict(line.split("==") for line in workflow_pins)
    assert versions == {name: version for name, version in expected.items() if name not in NOT_IN_JOBS}


def test_pre_commit_has_the_pinned_versions():
    hooks = {repo["repo"].rpartition("/")[2]: repo for repo in read_yaml(".pre-commit-config.yaml")["repos"]}
    assert hooks["ruff-pre-commit"]["rev"] == f"v{pinned_versions()['ruff']}"
    assert hooks["snakefmt"]["rev"] == f"v{pinned_versions()['snakefmt']}"


def test_container_has_the_pinned_packages_and_python():
    """As text; the repository's CI builds it."""
    recipe = (ROOT / "envs" / "ser.def").read_text(encoding="utf-8")
    source, target = re.search(r"%files\n *(\S+) (\S+)\n", recipe).groups()
    assert source == "envs/requirements.txt"
    assert f"pip install --no-cache-dir --requirement {target}\n" in recipe
    python = next(line for line in read_yaml("envs/ser.yaml")["dependencies"] if str(line).startswith("python="))
    assert f"From: python:{python.partition('=')[2]}-slim" in recipe


def test_snakemake_still_has_the_rate_limiter_that_hooks_remove():
    """Without it, `start_jobs_without_a_rate_limit` would do nothing, and is no longer needed."""
    assert "self.job_rate_limiter" in inspect.getsource(JobScheduler.schedule)


# --- Citation ---------------------------------------------------------------------------------


def test_citation_and_licence_agree():
    citation = read_yaml("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith(f"{citation['license']} License")
    (paper,) = citation["references"]
    assert paper["title"].replace("\n", " ") in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
