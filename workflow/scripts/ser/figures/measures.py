"""Scores beside UAR, and how training went, by cell (CSV) and by model (Markdown and figure)."""

import textwrap
from collections.abc import Mapping, Sequence

import pandas as pd

from ser.core import files
from ser.evaluation.scores import COLLAPSED, MEASURES
from ser.evaluation.tables import read_table
from ser.figures import style

CELL = ["source", "target", "model"]
MEANS = [*MEASURES, "selected_epoch", "epochs", "train_loss"]
COUNTS = ["last_epoch_best", "converged", "collapsed"]
HEADINGS = {
    "uar": "UAR",
    "accuracy": "accuracy",
    "auc": "AUC",
    "macro_f1": "macro-F1",
    "speaker_recall": "recall by speaker",
    "largest_share": "largest share",
    "ece": "calibration error",
    "selected_epoch": "selected epoch",
    "epochs": "epochs trained",
    "train_loss": "training loss",
    "converged": "converged",
    "last_epoch_best": "last epoch best",
    "collapsed": "collapsed",
}
CAPTION = (
    "Means over pairs and seeds; scores in %. AUC: each emotion against the others. Recall by speaker: UAR of each"
    " speaker over the emotions that the speaker has (chance is not 25 where they are few). Largest share: of the class"
    f" predicted most often; a run with more than {COLLAPSED:.0f} % is collapsed. Training loss: of the last epoch"
    " trained. The last three columns count the cells of which at least half of the seeds converged, had their best"
    " epoch last, or are collapsed"
)


def make(inputs, outputs, settings: dict) -> None:
    """Write all scores of an experiment's cells, and draw their means by model."""
    cells = summary(read_table(inputs.scores), settings["experiment"])
    notes = style.notes(settings, inputs)
    style.write_drawn(cells, notes, outputs.csv)
    table = texts(cells, settings["titles"])
    files.write_text(outputs.markdown, style.markdown_table(table, f"{CAPTION}.", notes))
    draw(table, notes, outputs.png)


def cells_of(experiment: Mapping) -> pd.DataFrame:
    """Return the source, target and model of every cell, in the configuration's order."""
    pairs = [(source, target) for source in experiment["sources"] for target in experiment["targets"]]
    cells = [(*pair, model) for pair in pairs if len(set(pair)) == 2 for model in experiment["models"]]
    return pd.DataFrame(cells, columns=CELL)


def summary(scores: pd.DataFrame, experiment: Mapping) -> pd.DataFrame:
    """Return one row per zero-shot, clean cell of an experiment, in configuration order.

    Args:
        scores: rows of `scores.csv`.
        experiment: models, sources and targets.

    Columns: source, target, model, `seeds`, means over seeds (`MEANS`), and numbers of seeds (`COUNTS`): those whose
    last epoch was the best, those whose training converged, and those that are collapsed.
    """
    scores = scores[scores["test_set"] == "all"]
    scores = scores.assign(
        last_epoch_best=scores["selected_epoch"] == scores["epochs"], collapsed=scores["largest_share"] > COLLAPSED
    )
    grouped = scores.groupby(CELL)
    by_cell = pd.concat([grouped.size().rename("seeds"), grouped[MEANS].mean(), grouped[COUNTS].sum()], axis=1)
    return cells_of(experiment).merge(by_cell.reset_index(), on=CELL)


def mostly(cells, count: str):
    """Return whether at least half of the seeds of a cell, or of each cell of a table, are counted in `count`."""
    return 2 * getattr(cells, count) >= cells.seeds


def texts(cells: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """Return the means over pairs as text, one row per model and column per heading."""
    rows = []
    for model, own in cells.groupby("model", sort=False):
        row = {name: f"{own[name].mean():.{3 if name == 'train_loss' else 1}f}" for name in MEANS}
        row |= {name: f"{mostly(own, name).sum()} of {len(own)}" for name in COUNTS}
        rows.append({"Model": titles[model]} | {heading: row[name] for name, heading in HEADINGS.items()})
    return pd.DataFrame(rows, columns=["Model", *HEADINGS.values()])


def draw(table: pd.DataFrame, notes: Sequence[str], path) -> None:
    """Draw the means by model."""
    cells = [[textwrap.fill(row[0], 20), *row[1:]] for row in table.to_numpy().tolist()]
    header = [textwrap.fill(heading, 11) for heading in table.columns]
    figure = style.draw_table(cells, header, [1.65, *[0.85] * (len(header) - 1)], row_height=0.4)
    figure.axes[0].set_title(textwrap.fill(f"{CAPTION}.", 160), fontsize=8, fontweight="normal", loc="left", pad=8)
    style.save(figure, notes, path)
