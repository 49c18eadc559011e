"""Table II: mean UAR of every model on every source-target pair, beside the paper's."""

import textwrap
from collections.abc import Mapping, Sequence

import pandas as pd

from ser.core import files
from ser.core.paths import CLEAN, RESOURCES
from ser.evaluation import confusions
from ser.evaluation.intervals import mean_over_seeds, read_scores
from ser.figures import style

PAPER = RESOURCES / "paper-table2.csv"


def make(inputs, outputs, settings: dict) -> None:
    """Write a table of UARs in every format and draw it."""
    notes = style.archive_notes(inputs.archives)
    scores = read_scores(inputs.scores)
    counts = confusions.read([inputs.confusions])
    cells = detail(scores, counts, settings["experiment"], notes, settings["label"])
    for path, table in ((outputs.csv, wide(cells)), (outputs.detail, cells)):
        with files.atomic_write(path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.4f")
    texts = settings["titles"], style.footnotes(settings["label"], notes)
    for path, form in ((outputs.markdown, markdown), (outputs.latex, latex)):
        with files.atomic_write(path) as temporary:
            temporary.write_text(form(cells, *texts), encoding="utf-8")
    draw(cells, settings["titles"], style.footnotes(settings["label"], notes), outputs.png)


def paper_values() -> pd.Series:
    """Return the paper's Table II in long form: UAR in % by (source, target, model)."""
    wide = pd.read_csv(PAPER)
    long = wide.melt(["source", "target"], var_name="model", value_name="paper")
    return long.set_index(["source", "target", "model"])["paper"]


def detail(
    scores: pd.DataFrame, counts: pd.DataFrame, experiment: dict, notes: dict[str, str], label: str | None = None
) -> pd.DataFrame:
    """Return one row per cell, in the configuration's order.

    Args:
        scores: rows of `scores.csv`.
        counts: rows of `confusions.csv`.
        experiment: models, sources and targets.
        notes: corpus -> note on its comparability.
        label: the configuration's label, if any.

    Columns: source, target, model, uar, seeds, std, low, high, n, paper, difference, note. A cell without runs has no
    UAR; a cell that the paper lacks has no value of the paper.
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
    table = cells.merge(mean_over_seeds(wanted, counts, list(cells)), how="left", on=list(cells))
    table["seeds"] = table["seeds"].fillna(0).astype(int)
    table = table.merge(paper_values().reset_index(), how="left", on=list(cells))
    table["difference"] = table["uar"] - table["paper"]
    table["note"] = [
        "; ".join(style.footnotes(label, {corpus: notes.get(corpus, "") for corpus in (row.source, row.target)}))
        for row in table.itertuples()
    ]
    return table[
        ["source", "target", "model", "uar", "seeds", "std", "low", "high", "n", "paper", "difference", "note"]
    ]


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """Return source, target, and mean UAR in % with one column per model."""
    pairs = table[["source", "target"]].drop_duplicates()
    by_model = table.pivot(index=["source", "target"], columns="model", values="uar")
    return pairs.merge(by_model[table["model"].unique()].reset_index(), how="left", on=["source", "target"])


def text_of(row, decimals: int = 2) -> str:
    """Return a cell's mean UAR and, with enough seeds, half its 95 % confidence interval."""
    if pd.isna(row.uar):
        return "not run"
    margin = f" \N{PLUS-MINUS SIGN} {(row.high - row.low) / 2:.{decimals}f}" if row.seeds >= style.MIN_SEEDS else ""
    return f"{row.uar:.{decimals}f}{margin}"


def texts(table: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """Return source, target, and one column per model: mean, interval, and the paper's value in brackets."""
    paper = [f" ({row.paper:.2f})" if pd.notna(row.paper) else "" for row in table.itertuples()]
    cells = table.assign(text=[text_of(row) + known for row, known in zip(table.itertuples(), paper, strict=True)])
    pairs = cells[["source", "target"]].drop_duplicates()
    by_model = cells.pivot(index=["source", "target"], columns="model", values="text")[table["model"].unique()]
    wide = pairs.merge(by_model.reset_index(), how="left", on=["source", "target"])
    return wide.rename(columns={"source": "Source", "target": "Target", **titles})


def caption(table: pd.DataFrame) -> str:
    """Return a description of the cells."""
    seeds = table.loc[table["seeds"] > 0, "seeds"]
    few, many = (seeds.min(), seeds.max()) if len(seeds) else (0, 0)
    count = f"{few}" if few == many else f"{few} to {many}"
    interval = " \N{PLUS-MINUS SIGN} 95 % confidence interval" if many >= style.MIN_SEEDS else ""
    paper = "; in brackets, the paper's value" if table["paper"].notna().any() else ""
    return f"UAR (%), mean of {count} seed{'' if many == 1 else 's'}{interval}{paper}"


def markdown(table: pd.DataFrame, titles: Mapping[str, str], notes: Sequence[str]) -> str:
    """Return the table in Markdown."""
    wide = texts(table, titles)
    rows = [list(wide.columns), ["---", "---", *["---:"] * (wide.shape[1] - 2)], *wide.to_numpy().tolist()]
    lines = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([caption(table) + ".", *(f"\n**{note}**" for note in notes), "", *lines]) + "\n"


def latex(table: pd.DataFrame, titles: Mapping[str, str], notes: Sequence[str]) -> str:
    """Return the table in LaTeX (package booktabs)."""
    wide = texts(table, titles).map(_latex_text).rename(columns=_latex_text)
    columns = "ll" + "r" * (wide.shape[1] - 2)
    body = wide.style.hide(axis="index").to_latex(hrules=True, column_format=columns)
    said = _latex_text(". ".join([caption(table), *notes]) + ".")
    return f"\\begin{{table}}\n\\caption{{{said}}}\n\\centering\n{body}\\end{{table}}\n"


def _latex_text(text: str) -> str:
    """Escape LaTeX's special characters."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {character: f"\\{character}" for character in "&%$#_{}"} | {"\N{PLUS-MINUS SIGN}": r"$\pm$"}
    return "".join(special.get(character, character) for character in text)


def draw(detail: pd.DataFrame, titles: dict[str, str], notes: list[str], path) -> None:
    """Draw each cell's mean and interval and, below, the paper's value and the difference."""
    models = list(detail["model"].unique())
    cells, colours, previous = [], [], None
    largest = max(1.0, detail["difference"].abs().max(skipna=True)) if detail["paper"].notna().any() else 1.0
    for (source, target), pair in detail.groupby(["source", "target"], sort=False):
        cells.append([source if source != previous else "", target])
        colours.append(["white", "white"])
        previous = source
        for row in pair.itertuples():
            cells[-1].append(text_beside_paper(row))
            colours[-1].append(colour_of(row.difference, largest))
    style.set_style()
    header = ["Source", "Target", *(textwrap.fill(titles[model], 11) for model in models)]
    has_paper = detail["paper"].notna().any()
    figure = style.draw_table(
        cells, header, widths=[0.85, 0.85, *[1.0] * len(models)], colours=colours, row_height=0.4 if has_paper else 0.3
    )
    title = caption(detail).partition(";")[0]
    if has_paper:
        title += "\nbelow: the paper's value / difference from it (blue higher, orange lower)"
    figure.axes[0].set_title(title, fontsize=9, pad=8)
    style.add_footnotes(figure, notes)
    style.save(figure, path)


def text_beside_paper(row) -> str:
    """Return a cell's text with one decimal: mean and interval, below it the paper's value and the difference."""
    ours = text_of(row, decimals=1)
    if pd.isna(row.paper):
        return ours
    difference = f" / {row.difference:+.1f}" if pd.notna(row.difference) else ""
    return f"{ours}\n{row.paper:.1f}{difference}".replace("-", "\N{MINUS SIGN}")


def colour_of(difference: float, largest: float):
    """Return blue above the paper's value and orange below, stronger for larger differences."""
    if pd.isna(difference):
        return "white"
    strength = 0.6 * min(1.0, abs(difference) / largest)
    blue, orange = (0.004, 0.451, 0.698), (0.871, 0.561, 0.020)
    base = blue if difference > 0 else orange
    return tuple(1 - strength * (1 - channel) for channel in base)
