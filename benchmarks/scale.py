"""Planning time and memory of dry runs of the paper's grid with more seeds.

Usage: python benchmarks/scale.py [--factors 1 2 4 10]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from ser.snakemake_support import dry_run  # noqa: E402


def main() -> None:
    """Print a table in Markdown, and the fitted cost per job."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--factors", type=float, nargs="+", default=[1, 2, 4, 10], help="multiples of the paper's seeds"
    )
    rows = [dry_run_of(factor) for factor in parser.parse_args().factors]
    print("| seeds | jobs | s | s per 1000 jobs | peak memory MB |\n|---:|---:|---:|---:|---:|")
    for seeds, jobs, seconds, megabytes in rows:
        print(f"| {seeds} | {jobs} | {seconds:.1f} | {1000 * seconds / jobs:.1f} | {megabytes:.0f} |")
    if len(rows) > 1:
        jobs, *measured = np.array(rows, float).T[1:]
        by_job, memory_by_job = (np.polyfit(jobs, values, 1)[0] for values in measured)
        print(f"\nFitted: {1000 * by_job:.2f} ms and {1000 * memory_by_job:.0f} kB per job.")


def dry_run_of(factor: float) -> tuple[int, int, float, float]:
    """Return seeds, jobs, wall seconds and peak MB of a dry run with more seeds."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    config["seeds"] = list(range(1, int(factor * len(config["seeds"])) + 1))
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as output:
        path = Path(folder, "config", "config.yaml")
        path.parent.mkdir()
        Path(folder, "IEMOCAP").mkdir()
        config["corpora"]["IEMOCAP"]["path"] = "IEMOCAP"  # your copy, which is never downloaded
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


if __name__ == "__main__":
    main()
