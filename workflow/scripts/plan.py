"""List remaining jobs by rule and model, with estimated hours and downloads.

Usage: python workflow/scripts/plan.py [--directory D] [--configfile C ...]

The jobs are those of `snakemake --dry-run`. Hours are estimated from the mean wall time of finished jobs of the same
rule and model in this directory, if there are any.
"""

import argparse
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from ser.core import reference_data
from ser.core.errors import UserError
from ser.core.paths import RunId
from ser.corpora import download
from ser.snakemake_support import dry_run, provenance
from ser.snakemake_support.dry_run import Job

MEASURED = ("finetune", "calibrate", "predict", "pooled")  # rules with a benchmark file
Kind = tuple[str, str]  # rule, and model or ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", "-d", type=Path, default=Path(), help="working directory (default: here)")
    parser.add_argument("--configfile", type=Path, nargs="+", default=[], help="configuration files, as for snakemake")
    given = parser.parse_args(arguments)
    directory, configfiles = given.directory.resolve(), [path.resolve() for path in given.configfile]
    jobs = dry_run.planned(directory, configfiles)
    print(report(jobs, mean_seconds(directory / "results")))


def mean_seconds(results: Path) -> dict[Kind, float]:
    """Return the mean wall seconds of finished jobs by rule and model."""
    seconds = defaultdict(list)
    for rule, jobs in provenance.times_by_rule(results).items():
        for name, (wall, _) in jobs.items():
            seconds[rule, _model(name)].append(wall)
    return {kind: statistics.mean(values) for kind, values in seconds.items()}


def _model(path: str) -> str:
    try:
        return RunId.parse(path).model
    except ValueError:
        return ""


def report(jobs: Sequence[Job], seconds: Mapping[Kind, float]) -> str:
    """Return the plan as text."""
    if not jobs:
        return "Nothing to do."
    counts = Counter((job.rule, job.wildcards.get("model", "")) for job in jobs)
    rows = [(*kind, count, _hours(kind, count, seconds)) for kind, count in sorted(counts.items())]
    headings, sides = ("rule", "model", "jobs", "total hours"), ("left", "left", "right", "left")
    table = tabulate(rows, headings, "plain", disable_numparse=True, colalign=sides)
    return "\n".join([table, "", f"{len(jobs)} jobs to run.", *downloads(jobs)])


def _hours(kind: Kind, count: int, seconds: Mapping[Kind, float]) -> str:
    if kind in seconds:
        return f"{count * seconds[kind] / 3600:.2f}"
    return "not measured yet" if kind[0] in MEASURED else ""


def downloads(jobs: Iterable[Job]) -> list[str]:
    """Return a line for each planned download, with its size if known, and what prevents the start last."""
    lines, obstacles = [], []
    for job in jobs:
        match job.rule:
            case "download_corpus":
                name = job.wildcards["archive"]
                source = download.published()["corpora"].get(name.removesuffix(".zip"), {})
                if source and not source["url"]:
                    obstacles.append(
                        f"Cannot start: {source['title']} must be requested at {source['homepage']}. Then set"
                        " the corpus's `path` to your copy."
                    )
                    continue
                size = source.get("bytes")
            case "download_noise":
                name = job.wildcards["environment"]
                size = download.published()["noise"]["demand"]["bytes"].get(name)
            case "encoder" if not job.inputs:
                name = job.wildcards["encoder"]
                checkpoint = name.rpartition("-")[0].replace("--", "/")
                size = reference_data.read("checkpoints.yaml").get(checkpoint, {}).get("bytes")
            case _:
                continue
        lines.append(f"Download: {name}, {f'{size / 1e6:.0f} MB' if size else 'unknown size'}")
    return [*sorted(lines), *sorted(obstacles)]


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"plan: {error}")
