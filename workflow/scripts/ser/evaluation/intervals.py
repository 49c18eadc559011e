"""Means over seeds with confidence intervals, for tables and figures."""

import pandas as pd

from ser.evaluation.bootstrap import Bootstrap, interval
from ser.evaluation.contrasts import Cell, uar


def mean_over_seeds(scores: pd.DataFrame, counts: pd.DataFrame, test_set: str) -> pd.DataFrame:
    """Return the mean UAR of every cell over its seeds, with its confidence interval.

    Args:
        scores: rows of `scores.csv`.
        counts: rows of `confusions.csv` of the same predictions.
        test_set: `all` or `test`.

    Returns one row per cell: the columns `Cell`, then `uar` (mean), `seeds` (number of seeds), `std` (sample
    standard deviation over seeds, NaN with one), `n` (utterances scored, the mean if seeds differ), `each` (the UAR of
    every seed, as text), and `low` and `high` (95 % interval for new seeds and new speakers of the target,
    `bootstrap.interval`; with one seed, for new speakers only).
    """
    grouped = scores[scores["test_set"] == test_set].groupby(list(Cell._fields), sort=False)
    summary = grouped.agg(uar=("uar", "mean"), seeds=("uar", "size"), std=("uar", "std"), n=("n", "mean"))
    summary["each"] = grouped["uar"].agg(lambda values: " ".join(f"{value:.2f}" for value in values))
    drawn = Bootstrap(counts, test_set)
    summary[["low", "high"]] = [interval(drawn.estimate(uar(*cell))) for cell in summary.index]
    return summary.reset_index()


def change_from_clean(scores: Bootstrap, condition: str, model: str, source: str, target: str) -> tuple[float, ...]:
    """Return the mean over seeds of a condition's UAR minus that on clean audio, in points, and its interval's limits.

    It is paired: both are predictions of one run.
    """
    change = scores.estimate(uar(model, source, target, condition=condition) - uar(model, source, target))
    return change.effect, *interval(change)
