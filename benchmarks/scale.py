"""Planning of ever larger grids by real dry runs, and a grid of 100 languages and 20 models by simulation.

Usage: python benchmarks/scale.py [--factors 1 2 4 10]
"""

import argparse
import copy
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from ser.config import experiments, validation  # noqa: E402
from ser.legacy import dry_run, planning  # noqa: E402
from ser.legacy.estimates import Estimates  # noqa: E402
from ser.legacy.planning import Task  # noqa: E402

LANGUAGES, MODELS, REPETITIONS = 100, 20, 5
FILES_A_JOB = 4  # a result, a log, a benchmark, Snakemake's note


def main() -> None:
    """Print both, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 2, 4, 10], help="times the paper's repetitions")
    rows = [dry_run_of(factor) for factor in parser.parse_args().factors]
    print("| repetitions | jobs | s | s a thousand jobs | peak memory MB |\n|---:|---:|---:|---:|---:|")
    for repetitions, jobs, seconds, megabytes in rows:
        print(f"| {repetitions} | {jobs} | {seconds:.1f} | {1000 * seconds / jobs:.1f} | {megabytes:.0f} |")
    jobs, *measured = np.array(rows, float).T[1:]
    by_job, memory_by_job = (np.polyfit(jobs, values, 1)[0] for values in measured)
    print(f"\nFitted: {1000 * by_job:.2f} ms and {1000 * memory_by_job:.0f} kB a job.\n")
    simulate(by_job, memory_by_job)


def paper() -> dict:
    """The paper's configuration, as it is written."""
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


def dry_run_of(factor: int) -> tuple[int, int, float, float]:
    """Repetitions, jobs, wall seconds and peak megabytes of a dry run with so many times the paper's repetitions."""
    config = paper()
    config["seeds"] = list(range(1, factor * len(config["seeds"]) + 1))
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as output:
        path = Path(folder, "config", "config.yaml")
        path.parent.mkdir()
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--directory", folder, "--dry-run", "--nocolor"]
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        output.seek(0)
        if status:
            raise RuntimeError(output.read()[-2000:])
        return len(config["seeds"]), len(dry_run.parse(output.read())), seconds, used.ru_maxrss / 1024


def simulate(seconds_a_job: float, megabytes_a_job: float) -> None:
    """What Table II of 100 languages and 20 models would take, at the costs that `make plan` computes with."""
    config = validation.load(many(paper()))
    estimates = Estimates(config)
    predictions = experiments.predictions(config, ["table2"])
    trainings = list(dict.fromkeys((p.model, p.source, p.seed) for p in predictions))
    number = {training: i for i, training in enumerate(trainings)}
    overhead = estimates.table.snakemake["job"]
    of_training = {
        (model, source): estimates.of(
            "finetune", {"model": model, "source": source, "target": "any", "shots": "0"}
        ).seconds
        for model, source in {training[:2] for training in trainings}
    }
    of_prediction = {
        (model, target): estimates.of("predict", {"model": model, "target": target}).seconds
        for model, target in {(p.model, p.target) for p in predictions}
    }
    tasks = [Task(of_training[training[:2]] + overhead, True, frozenset()) for training in trainings]
    tasks += [
        Task(of_prediction[p.model, p.target] + overhead, True, frozenset([number[p.model, p.source, p.seed]]))
        for p in predictions
    ]
    hours = Counter(training=sum(task.seconds for task in tasks[: len(trainings)]) / 3600)
    hours["prediction"] = sum(task.seconds for task in tasks[len(trainings) :]) / 3600
    print(f"{LANGUAGES} languages, {MODELS} models, {REPETITIONS} repetitions, corpora of EMOVO's size:")
    print(f"{len(trainings):,} trainings, {len(predictions):,} predictions; GPU-hours by arithmetic:", end=" ")
    print(", ".join(f"{name} {value:,.0f}" for name, value in hours.items()) + ".")
    for gpus in (8, 64, 512):
        print(f"- {gpus} GPUs, one job on each: {planning.wall_time(tasks, 8 * gpus, gpus) / 86400:,.1f} days")
    jobs = len(tasks)
    print(f"- Snakemake's graph: {jobs * seconds_a_job / 60:,.0f} min, {jobs * megabytes_a_job / 1000:,.0f} GB")
    print(f"- files: {FILES_A_JOB * jobs / 1e6:,.1f} million")


def many(config: dict) -> dict:
    """A configuration of so many corpora and models: the paper's models, each several times."""
    config = copy.deepcopy(config)
    config["seeds"] = list(range(1, REPETITIONS + 1))
    names = [f"L{i}" for i in range(LANGUAGES)]
    url = "https://example.org/{}.zip"
    config["corpora"] = {
        name: {"format": "emovo", "language": name, "verify": "none", "url": url.format(name)} for name in names
    }
    five: Sequence[str] = config["experiments"]["table2"]["models"]
    config["models"] |= {f"{name}-{i}": config["models"][name] for i in range(MODELS // len(five)) for name in five}
    models = [f"{name}-{i}" for i in range(MODELS // len(five)) for name in five]
    config["experiments"] = {"table2": {"models": models, "sources": names, "targets": names}}
    return config


if __name__ == "__main__":
    main()
