"""Scores of predictions, one row per training run, target, condition and test set."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ser.core.errors import UserError, listing
from ser.core.files import read_rows
from ser.core.metrics import accuracy, unweighted_average_recall
from ser.core.paths import RunId

COLUMNS = ("model", "source", "target", "shots", "condition", "test_set", "seed", "n", "uar", "accuracy")
SPLIT = re.compile(r"splits/(?P<target>[^/]+)/seed(?P<seed>\d+)/target\.csv$")


@dataclass(frozen=True)
class Predictions:
    """Predictions of a run for one target and condition; rows have a `role`."""

    run: RunId
    target: str
    condition: str
    rows: list[dict]

    @property
    def identity(self) -> dict:
        """Columns that identify the run, the target and the condition."""
        run = self.run
        named = {"model": run.model, "source": run.source, "target": self.target, "shots": run.shots}
        return named | {"condition": self.condition, "seed": run.seed}

    @property
    def test_rows(self) -> list[dict]:
        """Rows of the seed's test speakers."""
        return [row for row in self.rows if row["role"] == "test"]


def read_predictions(
    paths: Iterable[str | Path], splits: Sequence[str | Path], targets: Collection[str], conditions: Collection[str]
) -> Iterator[Predictions]:
    """Yield predictions for the given targets and conditions.

    Args:
        paths: `results/predictions/....csv`.
        splits: `target.csv` of every target and seed.

    Raises `UserError` if the predicted utterances are not those of the target's split.
    """
    roles = read_roles(splits)
    for path in paths:
        run = RunId.parse(path)
        for (target, condition), group in groupby(read_rows(path), lambda row: (row["target"], row["condition"])):
            if target in targets and condition in conditions:
                rows, role_of = list(group), roles[target, run.seed]
                _check_utterances(path, target, run.seed, {row["utterance"] for row in rows}, role_of)
                rows = [row | {"role": role_of[row["utterance"]]} for row in rows]
                yield Predictions(run, target, condition, rows)


def _check_utterances(path, target: str, seed: int, predicted: set[str], role_of: Mapping[str, str]) -> None:
    if unmatched := sorted(predicted ^ role_of.keys()):
        raise UserError(
            f"{path} and results/splits/{target}/seed{seed}/target.csv differ in their utterances"
            f" ({listing(unmatched)}). Delete both files and run Snakemake again."
        )


def read_roles(splits: Sequence[str | Path]) -> dict[tuple[str, int], dict[str, str]]:
    """Return (target, seed) -> utterance -> `pool` or `test`."""
    found = {}
    for path in splits:
        match = SPLIT.search(str(path))
        found[match["target"], int(match["seed"])] = {row["utterance"]: row["role"] for row in read_rows(path)}
    return found


def score_all(predictions: Iterable[Predictions]) -> list[dict]:
    """Score predictions on all utterances and on each seed's test speakers.

    A few-shot run is scored on `test` only, since `all` contains its few-shot examples.
    """
    scores = []
    for one in predictions:
        test_sets = {"test": one.test_rows} if one.run.shots else {"all": one.rows, "test": one.test_rows}
        scores += [one.identity | {"test_set": name} | score(rows) for name, rows in test_sets.items()]
    return sorted(scores, key=sort_key)


def score(rows: Sequence[dict]) -> dict:
    """Return `n`, UAR and accuracy (%) of rows with `emotion` and `predicted`."""
    truth, predicted = [row["emotion"] for row in rows], [row["predicted"] for row in rows]
    return {
        "n": len(rows),
        "uar": f"{unweighted_average_recall(truth, predicted):.6f}",
        "accuracy": f"{accuracy(truth, predicted):.6f}",
    }


def merged(paths: Sequence[str | Path]) -> list[dict]:
    """Return the rows of several score files without duplicates."""
    unique = {tuple(row.items()): row for path in paths for row in read_rows(path)}
    return sorted(unique.values(), key=sort_key)


def sort_key(row: Mapping):
    """Return a key that sorts names alphabetically and numbers by value."""
    return (
        *(row[c] for c in ("model", "source", "target")),
        int(row["shots"]),
        row["condition"],
        row["test_set"],
        int(row["seed"]),
    )
