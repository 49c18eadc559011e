"""Where the time of a finished workflow went: jobs, wall and CPU seconds by rule, from its benchmark files.

Usage: python benchmarks/where_time_goes.py [results folder]
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path


def by_rule(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Rule -> (wall seconds, CPU seconds) of each of its jobs."""
    times = defaultdict(list)
    for path in sorted(folder.rglob("*.tsv")):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                times[rule].append((float(row["s"]), float(row["cpu_time"] if row["cpu_time"] != "NA" else 0)))
    return times


def main() -> None:
    """Print a Markdown table, the costliest rule first."""
    results = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    times = by_rule(results / "benchmarks")
    print("| rule | jobs | wall s | wall s a job | CPU s a job |\n|---|---:|---:|---:|---:|")
    for rule, jobs in sorted(times.items(), key=lambda item: -sum(wall for wall, _ in item[1])):
        wall, cpu = (sum(job[i] for job in jobs) for i in (0, 1))
        print(f"| {rule} | {len(jobs)} | {wall:.1f} | {wall / len(jobs):.2f} | {cpu / len(jobs):.2f} |")
    total = sum(wall for jobs in times.values() for wall, _ in jobs)
    print(f"| all | {sum(map(len, times.values()))} | {total:.1f} | | |")


if __name__ == "__main__":
    main()
