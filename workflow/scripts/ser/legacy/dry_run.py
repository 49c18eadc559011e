"""Which jobs Snakemake would run: its own judgement, edits included."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ser.core.errors import UserError
from ser.core.paths import ROOT

TARGETS = ("all", "corpora")  # rules without jobs of their own


@dataclass(frozen=True)
class Job:
    """A job that Snakemake plans."""

    rule: str
    wildcards: dict[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    reason: str = ""  # in Snakemake's words


def planned(directory: Path, configfiles: Sequence[Path]) -> list[Job]:
    """Jobs that `snakemake -n` plans in a working directory, which it may do beside a running Snakemake.

    Raises `UserError` with what Snakemake says, if it refuses.
    """
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nocolor", "--directory", str(directory)]
    command += ["--configfile", *map(str, configfiles)] if configfiles else []
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode:
        raise UserError(f"Snakemake cannot plan this:\n{result.stdout.strip()}")
    jobs = parse(result.stdout)
    counts = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", result.stdout, re.MULTILINE)}
    if len(jobs) != counts.get("total", 0) - sum(counts.get(name, 0) for name in TARGETS):
        raise UserError("this version of Snakemake writes its plan in other words than 9.27: `snakemake -n` shows it")
    return jobs


def parse(text: str) -> list[Job]:
    """The jobs of a dry run's output, target rules left out."""
    jobs = []
    for block in re.split(r"\n\n+|\n(?=\[)", text):
        if (rule := re.search(r"^(?:local)?rule (\w+):$", block, re.MULTILINE)) and rule[1] not in TARGETS:
            wildcards = dict(pair.split("=", 1) for pair in _listed(block, "wildcards"))
            files = (tuple(_listed(block, kind)) for kind in ("input", "output"))
            jobs.append(Job(rule[1], wildcards, *files, _said(block, "reason")))
    return jobs


def _listed(block: str, key: str) -> list[str]:
    said = _said(block, key)
    return said.split(", ") if said else []


def _said(block: str, key: str) -> str:
    found = re.search(rf"^ +{key}: (.+)$", block, re.MULTILINE)
    return found[1] if found else ""
