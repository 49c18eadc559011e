"""Jobs that Snakemake plans, parsed from its dry run."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ser.core.errors import UserError
from ser.core.paths import ROOT

TARGETS = ("all", "corpora", "default")  # rules without a job of their own


@dataclass(frozen=True)
class Job:
    """A planned job."""

    rule: str
    wildcards: dict[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def planned(directory: Path, configfiles: Sequence[Path]) -> list[Job]:
    """Return the jobs that `snakemake --dry-run` plans.

    It locks nothing, so it can be called during a run. Raises `UserError` with Snakemake's message if it fails.
    """
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nocolor", "--directory", str(directory)]
    command += ["--configfile", *map(str, configfiles)] if configfiles else []
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode:
        raise UserError(f"The dry run of Snakemake failed:\n{result.stdout.strip()}")
    return parse(result.stdout)


def parse(text: str) -> list[Job]:
    """Return the jobs in a dry run's output, without target rules."""
    jobs = []
    for block in re.split(r"\n\n+|\n(?=\[)", text):
        if (rule := re.search(r"^(?:local)?rule (\w+):$", block, re.MULTILINE)) and rule[1] not in TARGETS:
            wildcards = dict(pair.split("=", 1) for pair in _listed(block, "wildcards"))
            jobs.append(Job(rule[1], wildcards, *(tuple(_listed(block, kind)) for kind in ("input", "output"))))
    return jobs


def _listed(block: str, key: str) -> list[str]:
    found = re.search(rf"^ +{key}: (.+)$", block, re.MULTILINE)
    return found[1].split(", ") if found else []
