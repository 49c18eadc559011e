"""Figure 3: clean against noisy test audio, zero-shot."""

import pandas as pd

from ser.summaries import over_repetitions, t_interval
from ser.vocabulary import CLEAN

LOSS = ["loss", "loss_low", "loss_high"]
COLUMNS = ["target", "model", "condition", "uar", "low", "high", "std", "seeds", "n", "each", *LOSS]


def bars(scores: pd.DataFrame, experiment: dict) -> pd.DataFrame:
    """One row a bar, in the configuration's order: exactly what is drawn.

    `loss` is the mean, over repetitions that have both, of clean minus noisy in UAR points, with its t interval:
    the two are predictions of one run. It stands in the noisy rows.
    """
    conditions = [CLEAN, experiment["condition"]]
    wanted = scores[
        (scores["source"] == experiment["source"])
        & (scores["shots"] == 0)
        & (scores["test_set"] == "all")
        & scores["condition"].isin(conditions)
        & scores["model"].isin(experiment["models"])
        & scores["target"].isin(experiment["targets"])
    ]
    summary = over_repetitions(wanted, ["target", "model", "condition"])
    by_condition = wanted.pivot(index=["target", "model", "seed"], columns="condition", values="uar").reindex(
        columns=conditions
    )
    losses = (by_condition[CLEAN] - by_condition[experiment["condition"]]).dropna().groupby(["target", "model"])
    paired = pd.DataFrame(
        [(*key, values.mean(), *t_interval(values.to_numpy())) for key, values in losses],
        columns=["target", "model", *LOSS],
    )
    summary = summary.merge(paired, how="left", on=["target", "model"])
    summary.loc[summary["condition"] == CLEAN, LOSS] = float("nan")
    orders = {"target": experiment["targets"], "model": experiment["models"], "condition": conditions}
    for column, order in orders.items():
        summary[column] = pd.Categorical(summary[column], order, ordered=True)
    return summary.sort_values(list(orders))[COLUMNS].reset_index(drop=True)
