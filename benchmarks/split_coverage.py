"""Overlap and coverage of the splits of the published corpora, for several seeds.

    python benchmarks/split_coverage.py [--seeds 5] [--share 0.75] [--test-share 0.6]

Uses the published names of utterances and speakers, and IEMOCAP's counts by session: no audio is needed. `--share` and
`--test-share` are `SMALLEST_SHARE` and `TEST_SHARE` of `ser.corpora.split_search`. A share of 1 allows only splits with
the largest smallest class; a test share of 0 allows test sets of any size.
"""

import argparse
import sys
from itertools import combinations
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests")]

from conftest import real_rows  # noqa: E402

from ser.core.constants import EMOTIONS  # noqa: E402
from ser.corpora import split_search, splits  # noqa: E402

CORPORA = {"EMODB": "EMODB-420", "EMODB (339)": "EMODB-339", "EMOVO": "EMOVO", "URDU": "URDU"}
CORPORA |= {"IEMOCAP": "IEMOCAP", "RAVDESS": "RAVDESS"}
SHARED = [{"utterance": "SF1_happy0", "other": "SF4_happy0"}]  # of URDU: the speakers of one recording


def measure(held_out: list[set[str]], rows: list[dict]) -> str:
    """Return mean overlap, coverage, and ranges of the smallest class, utterances and speakers, as cells of a table."""
    size = {group: sum(row["group"] == group for row in rows) for group in {row["group"] for row in rows}}

    def count(groups):
        return sum(size[group] for group in groups)

    overlap = np.mean([count(one & other) / count(one | other) for one, other in combinations(held_out, 2)])
    ever = set().union(*held_out)
    speakers = {row["speaker"] for row in rows}
    covered = {row["speaker"] for row in rows if row["group"] in ever}
    smallest = [
        min(sum(row["group"] in groups and row["emotion"] == emotion for row in rows) for emotion in EMOTIONS)
        for groups in held_out
    ]
    totals = [count(groups) for groups in held_out]
    tested = [len({row["speaker"] for row in rows if row["group"] in groups}) for groups in held_out]
    return (
        f"{overlap:.2f} | {100 * count(ever) / len(rows):.0f} % | {len(covered)} of {len(speakers)}"
        f" | {_range(smallest)} | {_range(totals)} | {_range(tested)}"
    )


def _range(numbers: list[int]) -> str:
    return str(min(numbers)) if min(numbers) == max(numbers) else f"{min(numbers)} to {max(numbers)}"


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--share", type=float, default=split_search.SMALLEST_SHARE)
    parser.add_argument("--test-share", type=float, default=split_search.TEST_SHARE)
    given = parser.parse_args()
    split_search.SMALLEST_SHARE, split_search.TEST_SHARE = given.share, given.test_share
    columns = ("corpus", "set", "mean overlap", "utterances ever held out", "speakers ever held out")
    columns += ("smallest class", "utterances in a set", "speakers in a set")
    print("| " + " | ".join(columns) + " |\n|---|---|" + "---:|" * (len(columns) - 2))
    for name, corpus in CORPORA.items():
        rows = real_rows(corpus)
        shared = SHARED if corpus == "URDU" else []
        joined = splits.with_joined_groups(rows, shared)
        for held_out in ("dev", "test"):
            found = []
            for seed in range(1, given.seeds + 1):
                if held_out == "dev":
                    roles = splits.source_split(rows, shared, seed, name)
                else:
                    roles = splits.target_split(rows, shared, seed, 50, name)
                found.append({row["group"] for row in joined if roles[row["utterance"]] == held_out})
            print(f"| {name} | {held_out} | {measure(found, joined)} |", flush=True)


if __name__ == "__main__":
    main()
