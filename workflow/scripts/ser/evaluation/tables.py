"""Reading of tables of results."""

from os import PathLike

import pandas as pd

NAMES = (
    *("model", "title", "source", "target", "condition", "test_set", "role", "speaker", "emotion"),
    *("claim", "verdict", "claim_verdict", "reason", "note"),
)


def read_table(*paths: str | PathLike) -> pd.DataFrame:
    """Read CSVs with the same columns as one table, with names as text even if they look like numbers or NaN."""
    numbers = {column: [""] for column in pd.read_csv(paths[0], nrows=0).columns if column not in NAMES}
    frames = [
        pd.read_csv(path, dtype=dict.fromkeys(NAMES, str), keep_default_na=False, na_values=numbers) for path in paths
    ]
    return pd.concat(frames, ignore_index=True)
