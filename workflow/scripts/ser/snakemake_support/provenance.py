"""Provenance of results: code, packages, runs, hardware and compute time."""

import csv
import os
import platform
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ser.core.files import read_json
from ser.core.paths import ROOT, RunId

LOCK = ROOT / "envs" / "requirements.txt"
RULES_OF_RUNS = ("finetune", "calibrate", "predict")


def commit(folder: Path = ROOT) -> dict:
    """Return a repository's commit and whether files differ, or why it has none."""
    if not (folder / ".git").exists():
        return {"commit": None, "dirty": None, "reason": "the workflow is not a git checkout"}
    if not shutil.which("git"):
        return {"commit": None, "dirty": None, "reason": "git is not installed"}
    # untracked files count only in the code, since the working directory of a run may be inside the repository
    tracked = ("status", "--porcelain", "--untracked-files=no")
    untracked = ("ls-files", "--others", "--exclude-standard", "--", "Snakefile", "workflow")
    head, *status = (_git(folder, *arguments) for arguments in (("rev-parse", "HEAD"), tracked, untracked))
    for result in (head, *status):
        if result.returncode:
            reason = result.stderr.strip().splitlines()
            return {"commit": None, "dirty": None, "reason": f"git: {reason[0] if reason else 'no commit'}"}
    return {"commit": head.stdout.strip(), "dirty": any(result.stdout.strip() for result in status)}


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def packages(lock: Path) -> dict[str, str | None]:
    """Return installed versions of locked packages, without those for tests."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for line in lock.read_text(encoding="utf-8").split("\n\n# Its tests")[0].splitlines():
        if "==" in line:
            name = line.split("==")[0]
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = None
    return found


def across_runs(records: Iterable[dict]) -> dict[str, dict[str, int]]:
    """Count training runs by device, precision, threads and version of each package."""
    records = list(records)
    found = {name: Counter(str(record[name]) for record in records) for name in ("device", "precision", "threads")}
    for name in sorted({name for record in records for name in record["versions"]}):
        found[name] = Counter(record["versions"][name] for record in records if name in record["versions"])
    return {name: dict(sorted(counts.items())) for name, counts in found.items()}


def hardware() -> dict:
    """Return processor, cores, memory (GiB) and GPUs of this machine."""
    lines = _lines("/proc/cpuinfo", "model name")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    gpus = []
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
        answer = subprocess.run(query, capture_output=True, text=True, check=False)
        gpus = answer.stdout.splitlines() if answer.returncode == 0 else []
    return {
        "processor": lines[0] if lines else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "gpus": gpus,
        "system": platform.platform(),
    }


def _lines(path: str, key: str) -> list[str]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(key)]


def costs(results: Path, runs: Iterable[RunId]) -> dict[str, dict]:
    """Return measured jobs and their wall and CPU hours by rule, in order of wall hours; and GPU hours of `finetune`.

    Args:
        results: the folder `results`.
        runs: training runs. Jobs of others are not counted; of rules that belong to no run, all are.

    GPU hours are the wall time of training runs on a GPU. Of a run that was interrupted and resumed, the CPU hours are
    those of its last job.
    """
    records = {run.path: read_json(results / "runs" / run.path / "run.json") for run in runs}
    found = {}
    for rule, jobs in times_by_rule(results).items():
        times = [time for name, time in jobs.items() if name in records or rule not in RULES_OF_RUNS]
        wall, cpu = sum(wall for wall, _ in times), sum(cpu for _, cpu in times)
        found[rule] = {"jobs": len(times), "wall_hours": _hours(wall), "cpu_hours": _hours(cpu)}
    if "finetune" in found:
        on_gpu = [record["seconds"] for record in records.values() if not record["device"].startswith("cpu")]
        found["finetune"]["gpu_hours"] = _hours(sum(on_gpu))
    return dict(sorted(found.items(), key=lambda item: -item[1]["wall_hours"]))


def times_by_rule(results: Path) -> dict[str, dict[str, tuple[float, float]]]:
    """Read rule -> job -> (wall seconds, CPU seconds).

    They are from Snakemake's benchmarks, except the wall time of training runs: theirs would only be that of a resumed
    run's last job.
    """
    times: dict = defaultdict(dict)
    benchmarks, runs = results / "benchmarks", results / "runs"
    for path in sorted(benchmarks.rglob("*.tsv")):
        rule, _, name = path.relative_to(benchmarks).with_suffix("").as_posix().partition("/")
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                cpu = row.get("cpu_time") or "NA"
                times[rule][name] = (float(row["s"]), 0.0 if cpu == "NA" else float(cpu))
    for path in sorted(runs.rglob("run.json")):
        name = path.relative_to(runs).parent.as_posix()
        _, cpu = times["finetune"].get(name, (0.0, 0.0))
        times["finetune"][name] = (read_json(path)["seconds"], cpu)
    return dict(times)


def _hours(seconds: float) -> float:
    return round(seconds / 3600, 4)
