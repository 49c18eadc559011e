"""Reading of tables of results."""

from collections.abc import Sequence
from os import PathLike

import pandas as pd

NAMES = ("model", "source", "target", "condition", "test_set", "role", "speaker", "emotion")


def read_table(paths: str | PathLike | Sequence[str | PathLike]) -> pd.DataFrame:
    """Read a CSV, or several with the same columns, with names as text even if they look like numbers or NaN."""
    paths = [paths] if isinstance(paths, str | PathLike) else paths
    numbers = {column: [""] for column in pd.read_csv(paths[0], nrows=0).columns if column not in NAMES}
    frames = [
        pd.read_csv(path, dtype=dict.fromkeys(NAMES, str), keep_default_na=False, na_values=numbers) for path in paths
    ]
    return pd.concat(frames, ignore_index=True)
