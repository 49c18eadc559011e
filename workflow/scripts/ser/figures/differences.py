"""Table of mean UARs over the pairs of an experiment, and of paired differences between its models."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from ser.core import files
from ser.evaluation import confusions
from ser.evaluation.bootstrap import Bootstrap, interval
from ser.evaluation.contrasts import mean, uar
from ser.figures import measures, style

COLUMNS = ["model", "minus", "value", "low", "high", "pairs", "above", "seeds"]
CAPTION = (
    "Mean UAR (%) over the source-target pairs, and its differences from the models above, in points. In brackets: the"
    " 95 % confidence interval for new seeds and speakers (with two seeds or more), and the number of pairs with a"
    " difference above 0. Differences are paired by seed and speaker. Their intervals are not corrected for the number"
    " of comparisons"
)


def make(inputs, outputs, settings: dict) -> None:
    """Write means and differences as CSV and Markdown, and draw them."""
    found = differences(confusions.read(inputs.confusions), settings["experiment"])
    notes = style.notes(settings, inputs)
    style.write_drawn(found, notes, outputs.csv)
    table = texts(found, settings["titles"])
    files.write_text(outputs.markdown, style.markdown_table(table, f"{CAPTION}.", notes))
    draw(found, table, notes, outputs.png)


def differences(counts: pd.DataFrame, experiment: Mapping) -> pd.DataFrame:
    """Return the mean zero-shot UAR of each model, and that of each minus each earlier one in the configuration.

    Args:
        counts: rows of `confusions.csv`.
        experiment: models, sources and targets.

    Columns: `model`; `minus`, the other model, empty for a mean UAR; `value`, mean over pairs and seeds; `low` and
    `high`, its 95 % confidence interval (`bootstrap.interval`; with one seed, for new speakers only); `pairs`, and
    `above`, the number of them with a difference above 0; `seeds`.
    """
    scores, models = Bootstrap(counts, "all"), experiment["models"]
    pairs = list(measures.cells_of(experiment)[["source", "target"]].drop_duplicates().itertuples(index=False))
    compared = [*((model, "") for model in models), *((model, other) for other, model in combinations(models, 2))]
    found = pd.DataFrame([_row(scores, model, minus, pairs) for model, minus in compared], columns=COLUMNS)
    return found.astype({"above": "Int64"})  # with missing values


def _row(scores: Bootstrap, model: str, minus: str, pairs: Sequence[tuple[str, str]]) -> tuple:
    by_pair = [uar(model, *pair) - uar(minus, *pair) if minus else uar(model, *pair) for pair in pairs]
    overall = scores.estimate(mean(by_pair))
    above = sum(scores.estimate(difference).effect > 0 for difference in by_pair) if minus else None
    return model, minus, overall.effect, *interval(overall), len(pairs), above, len(scores.seeds)


def texts(found: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """Return one row per model: its mean UAR and its differences from earlier models, as text."""
    means, rows = found[found["minus"] == ""], []
    for own_mean in means.itertuples():
        row = {"Model": titles[own_mean.model], "Mean UAR": text_of(own_mean)}
        own = found[(found["model"] == own_mean.model) & (found["minus"] != "")]
        rows.append(row | {f"minus {titles[cell.minus]}": text_of(cell) for cell in own.itertuples()})
    return pd.DataFrame(rows).fillna("")


def text_of(cell) -> str:
    """Return a mean, or a difference with its sign; in brackets the interval, if there are enough seeds, and pairs."""
    value = f"{cell.value:+.1f}" if cell.minus else f"{cell.value:.1f}"
    known = [f"{cell.low:.1f} to {cell.high:.1f}"] if cell.seeds >= style.MIN_SEEDS and pd.notna(cell.low) else []
    known += [f"{cell.above:.0f} of {cell.pairs}"] if cell.minus else []
    return (value + (f" ({'; '.join(known)})" if known else "")).replace("-", "\N{MINUS SIGN}")


def draw(found: pd.DataFrame, table: pd.DataFrame, notes: Sequence[str], path) -> None:
    """Draw the table, with differences whose interval does not contain 0 in blue (above it) or orange (below)."""
    cells = [[textwrap.fill(row[0], 20), *(text.replace(" (", "\n(") for text in row[1:])] for row in table.to_numpy()]
    excludes_zero = ((found["low"] > 0) | (found["high"] < 0)) & (found["seeds"] >= style.MIN_SEEDS)
    signs = found.assign(sign=np.sign(found["value"]).where(excludes_zero)).pivot(
        index="model", columns="minus", values="sign"
    )
    models = found["model"].unique()
    signs = signs.reindex(index=models, columns=models[:-1])
    coloured = signs.map(style.difference_colour, largest=2).to_numpy()  # one pale tone for each sign
    colours = [["white", "white", *row] for row in coloured]
    widths = [1.65, 1.1, *[1.75] * signs.shape[1]]
    header = [textwrap.fill(heading, 18) for heading in table.columns]
    figure = style.draw_table(cells, header, widths, colours=colours, row_height=0.42)
    title = textwrap.fill(f"{CAPTION}. Coloured: the interval does not contain 0.", max(60, int(15 * sum(widths))))
    figure.axes[0].set_title(title, fontsize=9, fontweight="normal", pad=8)
    style.save(figure, notes, path)
