"""Means over seeds with confidence intervals, for tables and figures."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ser.evaluation.bootstrap import Bootstrap, interval
from ser.evaluation.contrasts import uar


def mean_over_seeds(scores: pd.DataFrame, counts: pd.DataFrame, cell: Sequence[str]) -> pd.DataFrame:
    """Return the mean UAR of every cell over its seeds, with its confidence interval.

    Args:
        scores: rows of `scores.csv`, of one test set.
        counts: rows of `confusions.csv` of the same predictions.
        cell: columns that identify a cell, for example model, source and target.

    Returns one row per cell: its columns, then `uar` (mean), `seeds` (number of seeds), `std` (sample
    standard deviation over seeds, NaN with one), `n` (utterances scored, the mean if seeds differ), `each` (the UAR of
    every seed, as text), and `low` and `high` (95 % interval for new seeds and new speakers of the target,
    `bootstrap.interval`; with one seed, for new speakers only).
    """
    grouped = scores.groupby(list(cell), sort=False, observed=True)
    summary = grouped.agg(uar=("uar", "mean"), seeds=("uar", "size"), std=("uar", "std"), n=("n", "mean"))
    summary["each"] = grouped["uar"].agg(lambda values: " ".join(f"{value:.2f}" for value in values))
    drawn = Bootstrap(counts, scores["test_set"].iloc[0]) if len(scores) else None
    firsts = grouped.first().reset_index()[["model", "source", "target", "shots", "condition"]]
    limits = [interval(drawn.estimate(uar(*row))) for row in firsts.itertuples(index=False)]
    summary[["low", "high"]] = np.reshape(limits, (-1, 2))
    return summary.reset_index()


def change_from_clean(scores: Bootstrap, condition: str, model: str, source: str, target: str) -> tuple[float, ...]:
    """Return the mean over seeds of a condition's UAR minus that on clean audio, in points, and its interval's limits.

    It is paired: both are predictions of one run.
    """
    change = scores.estimate(uar(model, source, target, condition=condition) - uar(model, source, target))
    return change.effect, *interval(change)
