"""Table II: mean UAR of every model on every source-target pair, beside the paper's."""

from pathlib import Path

import pandas as pd

from ser import drawing
from ser.summaries import over_repetitions
from ser.vocabulary import CLEAN

PAPER = Path(__file__).resolve().parents[3] / "resources" / "paper-table2.csv"


def paper_values() -> pd.Series:
    """The paper's Table II: UAR in % by (source, target, model), in long form."""
    wide = pd.read_csv(PAPER)
    long = wide.melt(["source", "target"], var_name="model", value_name="paper")
    return long.set_index(["source", "target", "model"])["paper"]


def detail(scores: pd.DataFrame, experiment: dict, notes: dict[str, str], label: str | None = None) -> pd.DataFrame:
    """One row a cell, in the configuration's order.

    Args:
        scores: rows of `scores.csv`.
        experiment: models, sources and targets.
        notes: corpus -> what a reader must know before comparing.
        label: what all of it is, if it is not the real thing.

    Returns source, target, model, uar, seeds, std, low, high, n, paper, difference, note. A cell without
    runs has no UAR; the paper's value is absent where it has none.
    """
    wanted = scores[(scores["shots"] == 0) & (scores["condition"] == CLEAN) & (scores["test_set"] == "all")]
    cells = pd.DataFrame(
        [
            (source, target, model)
            for source in experiment["sources"]
            for target in experiment["targets"]
            if source != target
            for model in experiment["models"]
        ],
        columns=["source", "target", "model"],
    )
    table = cells.merge(over_repetitions(wanted, list(cells)), how="left", on=list(cells))
    table["seeds"] = table["seeds"].fillna(0).astype(int)
    table = table.merge(paper_values().reset_index(), how="left", on=list(cells))
    table["difference"] = table["uar"] - table["paper"]
    table["note"] = [
        "; ".join(drawing.footnotes(label, {corpus: notes.get(corpus, "") for corpus in (row.source, row.target)}))
        for row in table.itertuples()
    ]
    return table[
        ["source", "target", "model", "uar", "seeds", "std", "low", "high", "n", "paper", "difference", "note"]
    ]


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """Source, target, then a column a model: mean UAR in %."""
    pairs = table[["source", "target"]].drop_duplicates()
    by_model = table.pivot(index=["source", "target"], columns="model", values="uar")
    return pairs.merge(by_model[table["model"].unique()].reset_index(), how="left", on=["source", "target"])
