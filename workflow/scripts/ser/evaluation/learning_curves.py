"""How trainings went: their histories, averaged over repetitions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ser.core.files import check_count

MEASURES = ["train_loss", "dev_loss", "dev_uar"]
COLUMNS = ["model", "source", "epoch", *MEASURES, "seeds"]


def curves(paths: Sequence[str | Path], epochs: Mapping[str, int]) -> pd.DataFrame:
    """One row a model, source and epoch: mean losses and development UAR in % over repetitions.

    Args:
        paths: `results/runs/{model}/{source}-to-any/0-shot/seed{seed}/history.csv`.
        epochs: of every model's trainings. Raises `UserError` if a history has another number.
    """
    frames = []
    for path in map(Path, paths):
        model, pair = path.parts[-5:-3]
        history = pd.read_csv(path)
        check_count(path, len(history), epochs[model])
        frames.append(history.assign(model=model, source=pair.rpartition("-to-")[0]))
    grouped = pd.concat(frames, ignore_index=True).groupby(["model", "source", "epoch"], sort=False)
    return grouped[MEASURES].mean().assign(seeds=grouped.size()).reset_index()[COLUMNS]
