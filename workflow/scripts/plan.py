"""What is left of an experiment will cost: jobs, GPU-hours, wall time, memory, disk and downloads.

Usage: python workflow/scripts/plan.py [--directory D] [--configfile C ...] [--gpus N] [--cores N]

What is left is Snakemake's own judgement (`snakemake -n`), edits included. It locks nothing and computes nothing.
"""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from ser.config import local_inputs
from ser.core.errors import UserError
from ser.corpora import download
from ser.legacy import dry_run, planning, run_options
from ser.legacy.estimates import Estimates
from ser.models import encoders
from ser.training import gpus

USUAL = (1, 2, 4, 8)  # GPUs, or cores, that the wall time is given for


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the plan."""
    given = _parser().parse_args(arguments)
    directory, configfiles, config = run_options.read(given)
    with contextlib.chdir(directory):  # the configuration's paths are relative to it
        local_inputs.refuse_missing(config)
        jobs = dry_run.planned(directory, configfiles)
        estimates = Estimates(config)
        on_gpu = estimates.table.device == "gpu"
        asked = given.gpus if on_gpu else given.cores
        counts = sorted({*USUAL, asked} - {None})
        measured = planning.finished(Path("results"), estimates)
        plan = planning.plan(jobs, estimates, measured, counts, given.cores, cached(config, jobs))
        plan.notes.extend(local_inputs.outlived(config))
    if on_gpu and jobs and not gpus.visible():
        plan.notes.append("no GPU is visible here; `device: cpu` in the configuration plans for the CPU")
    if refused := refusals(config, jobs):
        print("CANNOT START YET:", *(f"  - {problem}" for problem in refused), "", sep="\n")
    print(planning.report(plan))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    run_options.add_options(parser)
    parser.add_argument("--gpus", type=_positive, help="also give the wall time on so many GPUs")
    parser.add_argument("--cores", type=_positive, help="cores, as Snakemake will be given")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number


def cached(config: dict, jobs: Sequence[dry_run.Job]) -> set[str]:
    """Encoders among the jobs whose checkpoints are in the hub's local cache."""
    wanted = {job.wildcards["encoder"] for job in jobs if job.rule == "encoder"}
    entries = {encoders.name(m): m for m in config["models"].values() if "revision" in m}
    if not wanted & entries.keys():
        return set()
    from huggingface_hub import try_to_load_from_cache

    return {
        name
        for name in wanted & entries.keys()
        if any(
            isinstance(
                try_to_load_from_cache(entries[name]["checkpoint"], file, revision=entries[name]["revision"]), str
            )
            for file in ("model.safetensors", "pytorch_model.bin")
        )
    }


def refusals(config: dict, jobs: Sequence[dry_run.Job]) -> list[str]:
    """Why a run would stop before its first job."""
    wanted = {job.wildcards["archive"] for job in jobs if job.rule == "download_corpus"}
    corpora = [
        name
        for name, entry in config["corpora"].items()
        if entry["path"] is None and download.archive_name(name, entry) in wanted
    ]
    refused = (download.refusal(name, config["corpora"][name]) for name in corpora)
    return [problem for problem in refused if problem]


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"plan: {error}")
