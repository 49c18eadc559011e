"""Where results come from: code, configuration, packages, archives, checkpoints, machine, and what it cost."""

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


def commit(folder: Path = ROOT) -> dict:
    """Commit of a folder's repository, and whether files differ from it; else the reason why there is none."""
    if not (folder / ".git").exists():
        return {"commit": None, "dirty": None, "reason": "the workflow is no git checkout"}
    if not shutil.which("git"):
        return {"commit": None, "dirty": None, "reason": "git is not installed"}
    # files that git does not know count in the code alone: a working directory of a run may lie in the repository
    tracked = ("status", "--porcelain", "--untracked-files=no")
    unknown = ("ls-files", "--others", "--exclude-standard", "--", "Snakefile", "workflow")
    head, *status = (_git(folder, *arguments) for arguments in (("rev-parse", "HEAD"), tracked, unknown))
    for result in (head, *status):
        if result.returncode:
            reason = result.stderr.strip().splitlines()
            return {"commit": None, "dirty": None, "reason": f"git: {reason[0] if reason else 'no commit'}"}
    return {"commit": head.stdout.strip(), "dirty": any(result.stdout.strip() for result in status)}


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def packages(lock: Path) -> dict[str, str | None]:
    """Installed versions of what the lock pins for the workflow, above what it pins for tests; None if absent."""
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
    """What trainings ran with, and how many with each: a mixture shows as more than one entry."""
    records = list(records)
    found = {name: Counter(str(record[name]) for record in records) for name in ("device", "precision", "threads")}
    for name in sorted({name for record in records for name in record["versions"]}):
        found[name] = Counter(record["versions"][name] for record in records if name in record["versions"])
    return {name: dict(sorted(counts.items())) for name, counts in found.items()}


def hardware() -> dict:
    """This machine, which on a cluster is the one that submits: processor, cores, memory in GiB, GPUs."""
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


def costs(benchmarks: Path, runs: Iterable[RunId]) -> dict[str, dict]:
    """Return jobs, wall, CPU and GPU hours by rule, the costliest first, of the rules whose jobs are measured.

    Args:
        benchmarks: the folder of benchmark files, `{rule}/...tsv`.
        runs: the training runs that count, and their predictions; of rule `pooled` all jobs do.

    A job that ran without Snakemake writing its benchmark is counted as `unmeasured`. GPU hours are the wall time of
    jobs if all training runs were on GPUs, and unknown (None) for other rules if only some were.
    """
    on_gpu = {run.path: not read_json(Path(run.folder, "run.json"))["device"].startswith("cpu") for run in runs}
    share = sum(on_gpu.values()) / len(on_gpu) if on_gpu else 0.0
    found = {}
    for rule, jobs in ({"finetune": {}, "predict": {}} | by_rule(benchmarks)).items():
        counted = {name: jobs.get(name) for name in on_gpu} if rule in ("finetune", "predict") else jobs
        measured = {name: job for name, job in counted.items() if job}
        wall = sum(wall for wall, _ in measured.values())
        gpu: float | None = wall if share == 1 else 0.0 if share == 0 else None
        if rule == "finetune":
            gpu = sum(wall for name, (wall, _) in measured.items() if on_gpu[name])
        found[rule] = {
            "jobs": len(counted),
            "unmeasured": len(counted) - len(measured),
            "wall_hours": _hours(wall),
            "cpu_hours": _hours(sum(cpu for _, cpu in measured.values())),
            "gpu_hours": None if gpu is None else _hours(gpu),
        }
    return dict(sorted(found.items(), key=lambda item: -item[1]["wall_hours"]))


def by_rule(folder: Path) -> dict[str, dict[str, tuple[float, float]]]:
    """Rule -> job -> (wall seconds, CPU seconds), from Snakemake's benchmark files."""
    times: dict = defaultdict(dict)
    for path in sorted(folder.rglob("*.tsv")):
        parts = path.relative_to(folder).with_suffix("").parts
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                cpu = row.get("cpu_time") or "NA"
                times[parts[0]]["/".join(parts[1:])] = (float(row["s"]), 0.0 if cpu == "NA" else float(cpu))
    return dict(times)


def _hours(seconds: float) -> float:
    return round(seconds / 3600, 4)
