"""Means over seeds with confidence intervals, for tables and figures."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95  # level of all confidence intervals; simulated coverage is of this level


def read_scores(path) -> pd.DataFrame:
    """Read a file of scores, with names as strings even if they look like numbers."""
    names = ("model", "source", "target", "condition", "test_set")
    return pd.read_csv(path, dtype={name: str for name in names}, keep_default_na=False)


def mean_over_seeds(scores: pd.DataFrame, cell: Sequence[str]) -> pd.DataFrame:
    """Return the mean UAR of every cell over its seeds.

    Args:
        scores: rows of `scores.csv`.
        cell: columns that identify a cell, for example model, source and target.

    Returns one row per cell: its columns, then `uar` (mean), `seeds` (number of seeds), `std` (sample
    standard deviation), `low` and `high` (95 % Student's t interval), `n` (utterances scored, the mean
    if seeds differ) and `each` (the UAR of every seed, as text). With one seed, `std`, `low` and `high`
    are NaN.
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
    """Return the 95 % Student's t interval of a mean over seeds, or NaN for one seed."""
    if len(values) < 2:
        return float("nan"), float("nan")
    margin = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values) - margin), float(np.mean(values) + margin)
