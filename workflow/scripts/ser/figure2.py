"""Figure 2: UAR against the number of target samples, always on the same test speakers."""

import pandas as pd

from ser.summaries import over_repetitions
from ser.vocabulary import CLEAN

COLUMNS = ["target", "model", "shots", "uar", "low", "high", "std", "seeds", "n", "each"]


def points(scores: pd.DataFrame, experiment: dict) -> pd.DataFrame:
    """One row a point, in the configuration's order: exactly what is drawn.

    Every point is scored on its repetition's test speakers, 0 samples included, so that points
    differ by the samples alone. A point without runs is absent.
    """
    wanted = scores[
        (scores["source"] == experiment["source"])
        & (scores["condition"] == CLEAN)
        & (scores["test_set"] == "test")
        & scores["model"].isin(experiment["models"])
        & scores["target"].isin(experiment["targets"])
        & scores["shots"].isin(experiment["shots"])
    ]
    summary = over_repetitions(wanted, ["target", "model", "shots"])
    for column, order in (("target", experiment["targets"]), ("model", experiment["models"])):
        summary[column] = pd.Categorical(summary[column], order, ordered=True)
    return summary.sort_values(["target", "model", "shots"])[COLUMNS].reset_index(drop=True)
