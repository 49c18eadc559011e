"""Where the time of a workflow goes: Snakemake itself, the start of Python in every job, and work.

Usage: python benchmarks/where_time_goes.py [--run] [--cores N] [--processes N] [working directory, or demo]

Jobs are taken from the benchmark files of a finished run, or with --run the directory is run first. Start-up is what
fresh processes take to import what a job's script imports, the least of three.
"""

import argparse
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
from start_up import END, PEFT, cpu_seconds

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from ser.core.files import read_json  # noqa: E402
from ser.snakemake_support.provenance import by_rule  # noqa: E402

LIKE_A_JOB = "import pickle\nfrom snakemake import script\n"


def main() -> None:
    """Print a Markdown table, the costliest rule first, and sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, nargs="?", default=ROOT / "demo")
    parser.add_argument("--run", action="store_true", help="run the workflow there first")
    parser.add_argument("--cores", default="2")
    parser.add_argument("--processes", type=int, default=3)
    given = parser.parse_args()
    own = run(given.directory, given.cores) if given.run else None
    jobs = by_rule(given.directory / "results" / "benchmarks")
    times = {rule: [sum(job[i] for job in of_rule.values()) for i in (0, 1)] for rule, of_rule in jobs.items()}
    runs = given.directory / "results" / "runs"
    starts = {rule: start_ups(rule, of_rule, runs, given.processes) for rule, of_rule in jobs.items()}
    print("| rule | jobs | wall s | wall s a job | CPU s a job | of which start-up |\n|---|---:|---:|---:|---:|---:|")
    for rule, (wall, cpu) in sorted(times.items(), key=lambda item: -item[1][0]):
        count = len(jobs[rule])
        a_job = " | ".join(f"{seconds / count:.2f}" for seconds in (wall, cpu, min(starts[rule], cpu)))
        print(f"| {rule} | {count} | {wall:.1f} | {a_job} |")
    wall, cpu = (sum(of_rule[i] for of_rule in times.values()) for i in (0, 1))
    print(f"| all | {sum(map(len, jobs.values()))} | {wall:.1f} | | | |")
    start = sum(min(starts[rule], times[rule][1]) for rule in jobs)
    print(f"\nCPU seconds of all jobs: {cpu:.0f}, of which start-up {start:.0f} and work {cpu - start:.0f}.")
    if own:
        print(f"Wall time {own[0]:.0f} s; Snakemake's own process took {own[1]:.0f} CPU seconds.")


def run(directory: Path, cores: str) -> tuple[float, float]:
    """Wall seconds of a run, and CPU seconds of Snakemake's own process, its jobs left out."""
    started, used = time.perf_counter(), 0.0
    command = [sys.executable, "-m", "snakemake", "--directory", str(directory), "--cores", cores]
    snakemake = psutil.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while snakemake.poll() is None:
        times = snakemake.cpu_times()
        used = max(used, times.user + times.system)
        time.sleep(0.2)
    if snakemake.returncode:
        raise RuntimeError(f"Snakemake failed: {directory}/.snakemake/log says why")
    return time.perf_counter() - started, used


def start_ups(rule: str, jobs: dict, runs: Path, processes: int) -> float:
    """CPU seconds that jobs of a rule spend on imports, by the encoders that they load."""
    counts = Counter(what_is_imported(name, runs) if rule in ("finetune", "predict") else "" for name in jobs)
    script = f"{LIKE_A_JOB}import {script_of(rule)}\n"
    return sum(
        count * min(cpu_seconds(script + more + END) for _ in range(processes)) for more, count in counts.items()
    )


def script_of(rule: str) -> str:
    """The module of a rule's script."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
    if inherited := re.search(rf"^use rule (\w+) as {rule} with:", text, re.MULTILINE):
        rule = inherited[1]
    body = text.partition(f"\nrule {rule}:\n")[2]
    return re.search(r'"\.\./scripts/(\w+)\.py"', body)[1]


def what_is_imported(job: str, runs: Path) -> str:
    """What a job imports of its model's family, as the model's first run records it."""
    model = read_json(next((runs / job.split("/")[0]).rglob("run.json")))["settings"]["model"]
    method = model.get("tuning", {}).get("method")
    family = "frozen" if method == "frozen" else model["family"]
    code = f"from ser import families, lean_imports\nfamilies.load({family!r})\n"
    return code + (PEFT if method == "lora" else "")


if __name__ == "__main__":
    main()
