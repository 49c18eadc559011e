"""Adaptation to a target's unlabelled audio: UAR before and after, and calibration of the probabilities."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ser.core.paths import ADAPTED, CALIBRATED, CLEAN
from ser.evaluation.bootstrap import Bootstrap
from ser.evaluation.intervals import change_from_clean, mean_over_seeds
from ser.figures import experiment_figure, style

CELL = ["model", "source", "target"]
ERRORS = {"ece": CLEAN, "ece_calibrated": CALIBRATED, "ece_adapted": ADAPTED}  # column -> condition
CHANGE = ["change", "change_low", "change_high"]
COLUMNS = [*CELL, "uar", "low", "high", "std", "seeds", "n", "each", "uar_adapted", *CHANGE, *ERRORS]


def make(inputs, outputs, settings: dict) -> None:
    """Write every pair's scores before and after adaptation, and draw them."""
    experiment_figure.make(cells, draw, inputs, outputs, settings)


def cells(scores: pd.DataFrame, counts: pd.DataFrame, experiment: Mapping) -> pd.DataFrame:
    """Return the values drawn, one row per model and pair, in configuration order.

    `change` is the mean over seeds of adapted minus not adapted in UAR points, with its 95 % confidence interval. `ece`
    is the mean expected calibration error in %, `ece_calibrated` that with the temperature, `ece_adapted` that after
    adaptation with the temperature.
    """
    scores = scores[scores["test_set"] == "all"]
    by_condition = {condition: own for condition, own in scores.groupby("condition")}
    summary = mean_over_seeds(by_condition[CLEAN], counts, "all")
    adapted = by_condition[ADAPTED].groupby(CELL)["uar"].mean().rename("uar_adapted")
    errors = [by_condition[condition].groupby(CELL)["ece"].mean().rename(name) for name, condition in ERRORS.items()]
    summary = summary.merge(pd.concat([adapted, *errors], axis=1).reset_index(), on=CELL)
    paired = Bootstrap(counts, "all")
    changes = [change_from_clean(paired, ADAPTED, *cell) for cell in summary[CELL].to_numpy()]
    summary[CHANGE] = np.reshape(changes, (-1, 3))
    return style.in_order(summary, {column: experiment[f"{column}s"] for column in CELL})[COLUMNS]


def draw(cells: pd.DataFrame, experiment: Mapping, titles: Mapping[str, str], notes: Sequence[str], *paths) -> None:
    """Draw a panel per model: for each pair the UAR before and after adaptation, joined by a line."""
    models = experiment["models"]
    pairs = list(dict.fromkeys(zip(cells["source"], cells["target"], strict=True)))
    colours, _ = style.colours_and_markers(models)
    figure, panels = plt.subplots(
        1,
        len(models),
        figsize=(3.2 * len(models) + 1.5, 0.3 * len(pairs) + 1.6),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, model in zip(panels[0], models, strict=True):
        own = cells[cells["model"] == model]
        for _, row in own.iterrows():
            height = pairs.index((row.source, row.target))
            axes.plot([row.uar, row.uar_adapted], [height, height], color=colours[model], linewidth=1.5)
            axes.plot(row.uar, height, "o", color=colours[model], markerfacecolor="white")
            axes.plot(row.uar_adapted, height, "o", color=colours[model])
            beside = axes.get_yaxis_transform()  # at the right of the panel
            change = f"{row.change:+.1f}"
            if row.seeds >= style.MIN_SEEDS:
                change += f" ({row.change_low:+.1f} to {row.change_high:+.1f})"
            axes.text(1.03, height, change, transform=beside, va="center", fontsize=7.5)
        errors = " \N{RIGHTWARDS ARROW} ".join(f"{own[name].mean():.0f}" for name in ERRORS)
        axes.set_title(f"{titles[model]}\nmean change {own['change'].mean():+.1f}; ECE {errors}", fontsize=8.5)
        axes.axvline(style.CHANCE, color="0.4", linestyle="--", linewidth=1)
        axes.grid(axis="y", visible=False)
    panels[0, 0].set_yticks(range(len(pairs)), [" to ".join(pair) for pair in pairs])
    panels[0, 0].invert_yaxis()
    figure.supxlabel(
        "UAR (%): open, zero-shot; filled, adapted to the target's unlabelled audio; dashed: chance.\nAt the right,"
        " change in points, with its 95 % confidence interval.\nECE: expected calibration error (%), zero-shot, with a"
        " temperature, and adapted with it",
        fontsize=7.5,
    )
    style.save(figure, notes, *paths)
