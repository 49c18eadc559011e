"""Table II: mean UAR of every model on every source-target pair, beside the paper's where it is comparable."""

import textwrap
from collections.abc import Mapping, Sequence

import pandas as pd

from ser.core import files
from ser.core.paths import RESOURCES
from ser.evaluation import confusions
from ser.evaluation.intervals import mean_over_seeds
from ser.evaluation.scores import COLLAPSED
from ser.evaluation.tables import read_table
from ser.figures import measures, style

PAPER = RESOURCES / "paper-table2.csv"
CELL = ["source", "target", "model"]
TRAINING = ["selected_epoch", "epochs", "train_loss", *measures.COUNTS]
MARKS = {  # column of the detail -> mark of cells where it counts at least half of the seeds, and its meaning
    "last_epoch_best": (
        "\N{DAGGER}",
        "in at least half of the seeds, the best epoch (SVM: value of C) was the last",
    ),
    "collapsed": (
        "\N{DOUBLE DAGGER}",
        f"in at least half of the seeds, more than {COLLAPSED:.0f} % of the predictions are one class",
    ),
}


def make(inputs, outputs, settings: dict) -> None:
    """Write a table of UARs in every format and draw it."""
    titles, label = settings["titles"], settings["label"]
    notes = all_notes(settings["experiment"], style.archive_notes(inputs.archives), settings["deviations"])
    counts = confusions.read(inputs.confusions)
    cells = detail(read_table(inputs.scores), counts, settings["experiment"], notes, label)
    for path, table in ((outputs.csv, wide(cells)), (outputs.detail, cells)):
        style.write_csv(table, path)
    shown = style.footnotes(label, {titles.get(name, name): note for name, note in notes.items()})
    for path, form in ((outputs.markdown, markdown), (outputs.latex, latex)):
        files.write_text(path, form(cells, titles, shown))
    draw(cells, titles, shown, outputs.png)


def paper_values() -> pd.Series:
    """Return the paper's Table II in long form: UAR in % by (source, target, model)."""
    wide = pd.read_csv(PAPER)
    long = wide.melt(["source", "target"], var_name="model", value_name="paper")
    return long.set_index(["source", "target", "model"])["paper"]


def all_notes(
    experiment: Mapping, archives: Mapping[str, list[str]], deviations: Mapping[str, list[str]]
) -> dict[str, list[str]]:
    """Return the notes on an experiment's corpora and models.

    Args:
        archives: corpus -> notes on its recordings.
        deviations: corpus or model -> settings that differ from the paper's. They are noted in a table that could
            otherwise show a value of the paper for this corpus or model.
    """
    beside_paper = set(measures.cells_of(experiment).merge(paper_values().reset_index(), on=CELL)[CELL].to_numpy().flat)
    shown = {name: differing for name, differing in deviations.items() if name in beside_paper}
    return {name: [*archives.get(name, []), *shown.get(name, [])] for name in [*archives, *shown]}


def detail(
    scores: pd.DataFrame, counts: pd.DataFrame, experiment: dict, notes: dict[str, list[str]], label: str | None = None
) -> pd.DataFrame:
    """Return one row per cell, in the configuration's order.

    Args:
        scores: rows of `scores.csv`.
        counts: rows of `confusions.csv`.
        experiment: models, sources and targets.
        notes: corpus or model -> why it is not comparable with the paper's.
        label: the configuration's label, if any.

    Columns: source, target, model, uar, seeds, std, low, high, n, paper, difference; selected_epoch, epochs and
    train_loss (means), last_epoch_best, converged and collapsed (numbers of seeds); note. A cell that the paper lacks,
    or whose corpora or model have a note, has no value of the paper.
    """
    table = measures.cells_of(experiment).merge(mean_over_seeds(scores, counts, "all"), on=CELL)
    table = table.merge(measures.summary(scores, experiment)[[*CELL, *TRAINING]], on=CELL)
    table = table.merge(paper_values().reset_index(), how="left", on=CELL)
    own_notes = [
        {name: notes.get(name, []) for name in cell} for cell in table[CELL].itertuples(index=False, name=None)
    ]
    table["paper"] = table["paper"].where([not any(own.values()) for own in own_notes])
    table["difference"] = table["uar"] - table["paper"]
    table["note"] = ["; ".join(style.footnotes(label, own)) for own in own_notes]
    return table[[*CELL, "uar", "seeds", "std", "low", "high", "n", "paper", "difference", *TRAINING, "note"]]


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """Return source, target, and mean UAR in % with one column per model."""
    pairs = table[["source", "target"]].drop_duplicates()
    by_model = table.pivot(index=["source", "target"], columns="model", values="uar")
    return pairs.merge(by_model[table["model"].unique()].reset_index(), how="left", on=["source", "target"])


def text_of(row, decimals: int = 2) -> str:
    """Return a cell's mean UAR and, with enough seeds, half its 95 % confidence interval, then its marks."""
    margin = f" \N{PLUS-MINUS SIGN} {(row.high - row.low) / 2:.{decimals}f}" if row.seeds >= style.MIN_SEEDS else ""
    marks = "".join(mark for name, (mark, _) in MARKS.items() if measures.mostly(row, name))
    return f"{row.uar:.{decimals}f}{margin}{marks}"


def texts(table: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """Return source, target, and one column per model: mean, interval, and the paper's value in brackets."""
    paper = [f" ({row.paper:.2f})" if pd.notna(row.paper) else "" for row in table.itertuples()]
    cells = table.assign(text=[text_of(row) + known for row, known in zip(table.itertuples(), paper, strict=True)])
    pairs = cells[["source", "target"]].drop_duplicates()
    by_model = cells.pivot(index=["source", "target"], columns="model", values="text")[table["model"].unique()]
    wide = pairs.merge(by_model.reset_index(), how="left", on=["source", "target"])
    return wide.rename(columns={"source": "Source", "target": "Target", **titles})


def caption(table: pd.DataFrame) -> list[str]:
    """Return a description of the cells, and of the paper's values and each mark if there are any."""
    seeds = table["seeds"].iloc[0]
    interval = " \N{PLUS-MINUS SIGN} 95 % confidence interval" if seeds >= style.MIN_SEEDS else ""
    paper = ["in brackets, the paper's value"] if table["paper"].notna().any() else []
    first = f"UAR (%), mean of {seeds} seed{'' if seeds == 1 else 's'}{interval}"
    return [first, *paper, *marks_explained(table)]


def marks_explained(table: pd.DataFrame) -> list[str]:
    """Return the meaning of each mark in the table."""
    return [f"{mark} {meaning}" for name, (mark, meaning) in MARKS.items() if measures.mostly(table, name).any()]


def markdown(table: pd.DataFrame, titles: Mapping[str, str], notes: Sequence[str]) -> str:
    """Return the table in Markdown."""
    return style.markdown_table(texts(table, titles), "; ".join(caption(table)) + ".", notes)


def latex(table: pd.DataFrame, titles: Mapping[str, str], notes: Sequence[str]) -> str:
    """Return the table in LaTeX (package booktabs)."""
    wide = texts(table, titles).map(_latex_text).rename(columns=_latex_text)
    columns = "ll" + "r" * (wide.shape[1] - 2)
    body = wide.style.hide(axis="index").to_latex(hrules=True, column_format=columns)
    said = _latex_text(". ".join(["; ".join(caption(table)), *notes]) + ".")
    return f"\\begin{{table}}\n\\caption{{{said}}}\n\\centering\n{body}\\end{{table}}\n"


def _latex_text(text: str) -> str:
    """Escape LaTeX's special characters."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {character: f"\\{character}" for character in "&%$#_{}"} | {"\N{PLUS-MINUS SIGN}": r"$\pm$"}
    special |= {"\N{DAGGER}": r"\dag{}", "\N{DOUBLE DAGGER}": r"\ddag{}"}
    return "".join(special.get(character, character) for character in text)


def draw(detail: pd.DataFrame, titles: dict[str, str], notes: list[str], path) -> None:
    """Draw each cell's mean and interval and, below, the paper's value and the difference."""
    models = list(detail["model"].unique())
    cells, colours, previous = [], [], None
    has_paper = detail["paper"].notna().any()
    largest = max(1.0, detail["difference"].abs().max()) if has_paper else 1.0
    for (source, target), pair in detail.groupby(["source", "target"], sort=False):
        cells.append([source if source != previous else "", target])
        colours.append(["white", "white"])
        previous = source
        for row in pair.itertuples():
            cells[-1].append(text_beside_paper(row))
            colours[-1].append(style.difference_colour(row.difference, largest))
    header = ["Source", "Target", *(textwrap.fill(titles[model], 11) for model in models)]
    figure = style.draw_table(
        cells, header, widths=[0.85, 0.85, *[1.0] * len(models)], colours=colours, row_height=0.4 if has_paper else 0.3
    )
    paper = ["below: the paper's value / difference from it (blue higher, orange lower)"] if has_paper else []
    lines = [caption(detail)[0], *paper, *marks_explained(detail)]
    wrapped = [textwrap.fill(line, int(15 * figure.get_figwidth())) for line in lines]
    figure.axes[0].set_title("\n".join(wrapped), fontsize=9, pad=8)
    style.save(figure, notes, path)


def text_beside_paper(row) -> str:
    """Return a cell's text with one decimal: mean and interval, below it the paper's value and the difference."""
    ours = text_of(row, decimals=1)
    if pd.isna(row.paper):
        return ours
    return f"{ours}\n{row.paper:.1f} / {row.difference:+.1f}".replace("-", "\N{MINUS SIGN}")
