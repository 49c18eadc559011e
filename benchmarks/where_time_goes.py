"""Where the time of a finished workflow went: jobs, wall and CPU seconds by rule, from its benchmark files.

Usage: python benchmarks/where_time_goes.py [results folder]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from ser.provenance import by_rule


def main() -> None:
    """Print a Markdown table, the costliest rule first."""
    results = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    times = {rule: list(jobs.values()) for rule, jobs in by_rule(results / "benchmarks").items()}
    print("| rule | jobs | wall s | wall s a job | CPU s a job |\n|---|---:|---:|---:|---:|")
    for rule, jobs in sorted(times.items(), key=lambda item: -sum(wall for wall, _ in item[1])):
        wall, cpu = (sum(job[i] for job in jobs) for i in (0, 1))
        print(f"| {rule} | {len(jobs)} | {wall:.1f} | {wall / len(jobs):.2f} | {cpu / len(jobs):.2f} |")
    total = sum(wall for jobs in times.values() for wall, _ in jobs)
    print(f"| all | {sum(map(len, times.values()))} | {total:.1f} | | |")


if __name__ == "__main__":
    main()
