"""Scores of predictions: one row per model, source, target, shots, condition, test set and seed."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ser.core.errors import UserError, listing
from ser.core.files import read_rows
from ser.core.metrics import accuracy, unweighted_average_recall

COLUMNS = ("model", "source", "target", "shots", "condition", "test_set", "seed", "n", "uar", "accuracy")
PREDICTION = re.compile(
    r"predictions/(?P<model>[^/]+)/(?P<source>[^/]+)-to-(?P<target>[^/]+)/(?P<shots>\d+)-shot"
    r"/seed(?P<seed>\d+)/(?P<condition>[^/]+)\.csv$"
)
SPLIT = re.compile(r"splits/(?P<target>[^/]+)/seed(?P<seed>\d+)/target\.csv$")


def score_files(predictions: Sequence[str], splits: Sequence[str]) -> list[dict]:
    """Score prediction files on all utterances and on each repetition's test speakers.

    A run that saw samples of the target is scored on `test` only, since `all` contains them.

    Raises `UserError` if a prediction file or a split lacks an utterance that the other has.
    """
    roles, scores = read_roles(splits), []
    for path in predictions:
        identity = PREDICTION.search(path).groupdict()
        role_of = roles[identity["target"], identity["seed"]]
        rows = read_predictions(path, role_of)
        of_test_speakers = [row for row in rows if role_of[row["utterance"]] == "test"]
        test_sets = {"all": rows, "test": of_test_speakers} if identity["shots"] == "0" else {"test": of_test_speakers}
        for test_set, scored in test_sets.items():
            scores.append(identity | {"test_set": test_set} | score(scored))
    return sorted(scores, key=sort_key)


def read_predictions(path: str, role_of: Mapping[str, str]) -> list[dict]:
    """Rows of a prediction file. Raises `UserError` unless they are of the very utterances that the split assigns."""
    rows = read_rows(path)
    predicted = {row["utterance"] for row in rows}
    if missing := sorted(role_of.keys() - predicted):
        raise UserError(f"{path} lacks utterances of its target ({listing(missing)}). Delete it and run again.")
    if unknown := sorted(predicted - role_of.keys()):
        raise UserError(
            f"{path} holds utterances that are on no side of its target's split ({listing(unknown)}). Delete both and"
            " run again."
        )
    return rows


def read_roles(splits: Sequence[str]) -> dict[tuple[str, str], dict[str, str]]:
    """(target, seed) -> utterance -> `pool` or `test`."""
    found = {}
    for path in splits:
        match = SPLIT.search(path)
        found[match["target"], match["seed"]] = {row["utterance"]: row["role"] for row in read_rows(path)}
    return found


def score(rows: Sequence[dict]) -> dict:
    """Number of utterances, UAR and accuracy in % of rows with `emotion` and `predicted`."""
    truth, predicted = [row["emotion"] for row in rows], [row["predicted"] for row in rows]
    return {
        "n": len(rows),
        "uar": f"{unweighted_average_recall(truth, predicted):.6f}",
        "accuracy": f"{accuracy(truth, predicted):.6f}",
    }


def merged(paths: Sequence[str | Path]) -> list[dict]:
    """Return the rows of several score files, each once."""
    unique = {tuple(row.items()): row for path in paths for row in read_rows(path)}
    return sorted(unique.values(), key=sort_key)


def sort_key(row: dict):
    """Names in order, numbers by value."""
    return (
        *(row[c] for c in ("model", "source", "target")),
        int(row["shots"]),
        row["condition"],
        row["test_set"],
        int(row["seed"]),
    )
