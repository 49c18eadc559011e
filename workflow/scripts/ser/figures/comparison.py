"""Comparison of models over the pairs of an experiment (`random_init`, `tuning`, `size_matched`, `layers`)."""

import matplotlib.pyplot as plt
import pandas as pd

from ser.evaluation.intervals import mean_over_seeds
from ser.figures import experiment_figure, style

CELL = ["model", "source", "target"]
COLUMNS = [*CELL, "uar", "low", "high", "std", "seeds", "n", "each"]


def make(inputs, outputs, settings: dict) -> None:
    """Write the cells of a comparison and draw them."""
    experiment_figure.make(cells, draw, inputs, outputs, settings)


def cells(scores: pd.DataFrame, counts: pd.DataFrame, experiment: dict) -> pd.DataFrame:
    """Return the values drawn, one row per model and pair."""
    summary = mean_over_seeds(scores, counts, "all")
    return style.in_order(summary, {column: experiment[f"{column}s"] for column in CELL})[COLUMNS]


def draw(cells: pd.DataFrame, experiment: dict, titles: dict[str, str], notes: list[str], *paths) -> None:
    """Draw one line per pair across the models, with a colour per target and a marker per source; the mean as bars."""
    models = experiment["models"]
    by_pair = cells.pivot(index=["source", "target"], columns="model", values="uar")[models]
    colours, _ = style.colours_and_markers(experiment["targets"])
    _, markers = style.colours_and_markers(experiment["sources"])
    figure, axes = plt.subplots(figsize=(max(3.6, 1.3 * len(models) + 1), 3.8), layout="constrained")
    means = by_pair.mean()
    axes.bar(range(len(models)), means, 0.6, color="0.88", edgecolor="0.6", label="mean")
    for position, mean in enumerate(means):
        axes.text(position, 1, f"{mean:.1f}", ha="center", va="bottom", fontsize=9)
    for (source, target), row in by_pair.iterrows():
        line = {"color": colours[target], "marker": markers[source], "linewidth": 1.2}
        axes.plot(range(len(models)), row, **line, label=f"{source} to {target}")
    axes.axhline(style.CHANCE, color="0.4", linestyle="--", linewidth=1, label="chance")
    style.name_models(axes, [titles[model] for model in models])
    axes.set_ylabel("UAR (%)")
    axes.grid(axis="x", visible=False)
    style.limit_to_percentages(axes)
    figure.legend(loc="outside right center", frameon=False, fontsize=8)
    style.save(figure, notes, *paths)
