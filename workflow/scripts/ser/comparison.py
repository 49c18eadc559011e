"""Models compared over the pairs of an experiment: what the figures of `random_init` and `tuning` draw."""

import pandas as pd

from ser.summaries import over_repetitions
from ser.vocabulary import CLEAN

COLUMNS = ["model", "source", "target", "uar", "low", "high", "std", "seeds", "n", "each"]


def cells(scores: pd.DataFrame, experiment: dict) -> pd.DataFrame:
    """One row a model and pair, in the configuration's order: exactly what is drawn. A cell without runs is absent."""
    wanted = scores[
        (scores["shots"] == 0)
        & (scores["condition"] == CLEAN)
        & (scores["test_set"] == "all")
        & scores["model"].isin(experiment["models"])
        & scores["source"].isin(experiment["sources"])
        & scores["target"].isin(experiment["targets"])
    ]
    summary = over_repetitions(wanted, ["model", "source", "target"])
    orders = {"model": experiment["models"], "source": experiment["sources"], "target": experiment["targets"]}
    for column, order in orders.items():
        summary[column] = pd.Categorical(summary[column], order, ordered=True)
    return summary.sort_values(list(orders))[COLUMNS].reset_index(drop=True)
