"""Figure 2: UAR by number of few-shot examples, and of models trained on the target alone.

For each seed, all points are scored on the same test speakers.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ser.evaluation.intervals import mean_over_seeds
from ser.figures import experiment_figure, style

COLUMNS = ["target", "model", "source", "shots", "uar", "low", "high", "std", "seeds", "n", "each"]


def make(inputs, outputs, settings: dict) -> None:
    """Write the points of Figure 2 and draw them."""
    experiment_figure.make(points, draw, inputs, outputs, settings)


def points(scores: pd.DataFrame, counts: pd.DataFrame, experiment: dict) -> pd.DataFrame:
    """Return the points drawn, one row each, in configuration order.

    Every point, including 0 shots, is scored on its seed's test speakers, so that points differ only in the training
    data. The source of a model trained on the target alone is the target, with 0 shots if trained on its whole pool.
    """
    targets, models = experiment["targets"], experiment["models"]
    shown = scores["target"].isin(targets) & scores["model"].isin(models)  # experiment `within` may have others
    summary = mean_over_seeds(scores[shown], counts, "test")
    summary["alone"] = summary["source"] == summary["target"]
    orders = {"target": targets, "model": models, "alone": [False, True], "shots": sorted(summary["shots"].unique())}
    return style.in_order(summary, orders)[COLUMNS]


def draw(points: pd.DataFrame, experiment: dict, titles: dict[str, str], notes: list[str], *paths) -> None:
    """Draw UAR by shots, with a panel per target and a line per model, and within the target to the right of it.

    Models trained on few-shot examples alone have open markers, without intervals.
    """
    targets, models = experiment["targets"], experiment["models"]
    colours, markers = style.colours_and_markers(models)
    figure, panels = plt.subplots(
        1, len(targets), figsize=(3.6 * len(targets), 3.4), sharey=True, squeeze=False, layout="constrained"
    )
    spread = 0.012 * max(1, max(experiment["shots"]))  # shift models so that their intervals do not coincide
    offsets = (np.arange(len(models)) - (len(models) - 1) / 2) * spread
    ticks = {shots: str(shots) for shots in sorted(experiment["shots"])}
    beyond = 1.25 * max(1, max(experiment["shots"]))
    alone, few = points["source"] == points["target"], points["shots"] > 0
    if (alone & ~few).any():
        ticks[beyond] = "within"
    key = style.seeds_note(points) + (", open markers: the examples alone" if (alone & few).any() else "")
    for axes, target in zip(panels[0], targets, strict=True):
        for model, offset in zip(models, offsets, strict=True):
            own = (points["target"] == target) & (points["model"] == model)
            looks = {
                "color": colours[model],
                "marker": markers[model],
                "markersize": 5,
                "elinewidth": 1,
                "capsize": 2.5,
            }
            dashes = style.LINES[models.index(model) % len(style.LINES)]
            across, within, examples = points[own & ~alone], points[own & alone & ~few], points[own & alone & few]
            for rows, at, line in (
                (across, across["shots"], {"linestyle": dashes, "linewidth": 1.4, "label": titles[model]}),
                (within, np.full(len(within), beyond), {"linestyle": "none"}),
            ):
                axes.errorbar(at + offset, rows["uar"], style.intervals(rows), **line, **looks)
                style.draw_seeds(axes, at + offset, rows, color=colours[model], edgecolors="white")
            at = examples["shots"] + offset
            axes.scatter(at, examples["uar"], 40, "white", marker=markers[model], edgecolors=[colours[model]], zorder=4)
        axes.axhline(style.CHANCE, color="0.4", linestyle=":", linewidth=1.2, label="chance")
        axes.set_title(f"{experiment['source']} to {target}")
        axes.set_xticks(list(ticks), list(ticks.values()))
        axes.set_xlabel("few-shot examples")
    panels[0, 0].set_ylabel("UAR (%) on test speakers")
    figure.supxlabel(key, fontsize=8)
    style.limit_to_percentages(panels[0, 0])
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels)), frameon=False)
    style.save(figure, notes, *paths)
