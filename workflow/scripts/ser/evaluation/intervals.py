"""Means over seeds with confidence intervals, for tables and figures."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ser.evaluation.bootstrap import Arm, Bootstrap, Term, interval


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
    firsts = grouped.first().reset_index()  # a cell is one arm on one pair
    arms = [(Arm(row.model, row.shots, row.condition), row.source, row.target) for row in firsts.itertuples()]
    limits = [interval(drawn.estimate([Term(1, *arm)])) for arm in arms]
    summary[["low", "high"]] = np.reshape(limits, (-1, 2))
    return summary.reset_index()


def change_from_clean(scores: Bootstrap, condition: str, model: str, source: str, target: str) -> tuple[float, ...]:
    """Return the mean over seeds of a condition's UAR minus that on clean audio, in points, and its interval's limits.

    It is paired: both are predictions of one run.
    """
    arms = (1, Arm(model, condition=condition)), (-1, Arm(model))
    change = scores.estimate([Term(sign, arm, source, target) for sign, arm in arms])
    return change.effect, *interval(change)
