"""Learning curves: training histories averaged over seeds."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ser.core.paths import RunId

MEASURES = ["train_loss", "dev_loss", "dev_uar"]
COLUMNS = ["model", "source", "epoch", *MEASURES, "seeds"]


def curves(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Return mean losses and development UAR (%) by model, source and epoch.

    Args:
        paths: `results/runs/{model}/{source}-to-any/0-shot/seed{seed}/history.csv`.
    """
    frames = []
    for path in paths:
        run = RunId.parse(path)
        frames.append(pd.read_csv(path).assign(model=run.model, source=run.source))
    grouped = pd.concat(frames, ignore_index=True).groupby(["model", "source", "epoch"], sort=False)
    return grouped[MEASURES].mean().assign(seeds=grouped.size()).reset_index()[COLUMNS]
