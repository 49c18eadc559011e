"""Means over repetitions with their uncertainty: what tables and figures show."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95  # of intervals in tables, figures and claims; their simulated coverage is of this level


def read_scores(path) -> pd.DataFrame:
    """Read a scores file: numbers as numbers, and names as strings whatever they look like."""
    names = ("model", "source", "target", "condition", "test_set")
    return pd.read_csv(path, dtype={name: str for name in names}, keep_default_na=False)


def over_repetitions(scores: pd.DataFrame, cell: Sequence[str]) -> pd.DataFrame:
    """Mean UAR of every cell over its repetitions.

    Args:
        scores: rows of `scores.csv`.
        cell: the columns that name a cell, for example model, source and target.

    Returns one row a cell: its columns, then `uar` (the mean), `seeds` (repetitions), `std`
    (their sample standard deviation), `low` and `high` (Student's t interval at 95 %), `n`
    (utterances scored, the mean where repetitions differ) and `each` (every repetition's UAR, as
    text). With one repetition, spread and interval are NaN: they are unknown, not zero.
    """
    grouped = scores.groupby(list(cell), sort=False, observed=True)
    summary = grouped.agg(uar=("uar", "mean"), seeds=("uar", "size"), std=("uar", "std"), n=("n", "mean"))
    summary["each"] = grouped["uar"].agg(lambda values: " ".join(f"{value:.2f}" for value in values))
    several = summary["seeds"] > 1
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, summary["seeds"].where(several) - 1)
    margin = quantile * summary["std"] / np.sqrt(summary["seeds"])
    summary["low"], summary["high"] = summary["uar"] - margin, summary["uar"] + margin
    return summary.reset_index()


def t_interval(values: np.ndarray) -> tuple[float, float]:
    """Student's t interval at 95 % of the mean of repetitions; NaN where there is only one."""
    if len(values) < 2:
        return float("nan"), float("nan")
    margin = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values) - margin), float(np.mean(values) + margin)
