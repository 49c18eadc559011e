"""Confusion counts by speaker, from which all scores can be computed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ser.core.constants import EMOTIONS
from ser.evaluation import scores
from ser.evaluation.scores import Predictions
from ser.evaluation.tables import read_table

RUN = ("model", "source", "target", "shots", "condition")
COLUMNS = (*RUN, "seed", "role", "speaker", "emotion", *EMOTIONS)


def count(predictions: Predictions) -> list[dict]:
    """Count predictions by role (pool/test), speaker and true emotion.

    For a run with training data of the target, only test speakers are counted.
    """
    counts = Counter(
        (row["role"], row["speaker"], row["emotion"], row["predicted"])
        for row in predictions.rows
        if row["role"] == "test" or not predictions.run.has_target_data
    )
    rows = []
    for role, speaker, emotion in sorted({key[:3] for key in counts}):
        predicted = {name: counts[role, speaker, emotion, name] for name in EMOTIONS}
        rows.append(predictions.identity | {"role": role, "speaker": speaker, "emotion": emotion} | predicted)
    return rows


def sort_key(row: Mapping):
    """Return the key that sorts counts as scores are sorted, then by role, speaker and emotion."""
    return (*scores.sort_key(row | {"test_set": ""}), row["role"], row["speaker"], row["emotion"])


def read(paths: str | Path | Sequence[str | Path]) -> pd.DataFrame:
    """Read one or several `confusions.csv` as one table, without duplicate runs."""
    return read_table(paths).drop_duplicates(ignore_index=True)


def matrices(counts: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return mean confusion matrices in %, one row per `by` and true emotion.

    Rows sum to 100. The matrices of all pairs and seeds have equal weight. The diagonal is the mean recall, and its
    mean over emotions the mean UAR.
    """
    cell = ["model", "source", "target", "seed", "emotion"]
    predicted = counts.groupby(cell, sort=False)[list(EMOTIONS)].sum()
    shares = 100 * predicted.div(predicted.sum(axis=1), axis=0)
    return shares.groupby([*by, "emotion"], sort=False).mean().reset_index()


def recalls(counts: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the diagonals of `matrices`, as `recall` in % by emotion."""
    shares = matrices(counts, by)
    diagonal = [row[row["emotion"]] for _, row in shares.iterrows()]
    return shares[[*by, "emotion"]].assign(recall=diagonal)


def correct_and_total(rows: pd.DataFrame, seeds: Sequence[int], speakers: Sequence[str]) -> tuple[np.ndarray, ...]:
    """Count correct and all predictions, each of shape (seeds, speakers, emotions)."""
    correct, total = np.zeros((2, len(seeds), len(speakers), len(EMOTIONS)))
    columns = {"seed": seeds, "speaker": speakers, "emotion": EMOTIONS}
    at = tuple(pd.Index(names).get_indexer(rows[column]) for column, names in columns.items())
    predicted = rows[list(EMOTIONS)].to_numpy()
    np.add.at(correct, at, predicted[np.arange(len(rows)), at[2]])
    np.add.at(total, at, predicted.sum(axis=1))
    return correct, total
