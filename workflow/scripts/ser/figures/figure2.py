"""Figure 2: UAR by number of few-shot examples, for each seed on the same test speakers."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ser.core.paths import CLEAN
from ser.evaluation import confusions
from ser.evaluation.intervals import mean_over_seeds, read_scores
from ser.figures import style

COLUMNS = ["target", "model", "shots", "uar", "low", "high", "std", "seeds", "n", "each"]


def make(inputs, outputs, settings: dict) -> None:
    """Write the points of Figure 2 and draw them."""
    counts = confusions.read([inputs.confusions])
    drawn = points(read_scores(inputs.scores), counts, settings["experiment"])
    notes = style.footnotes(settings["label"], style.archive_notes(inputs.archives))
    style.write_drawn(drawn, notes, outputs.csv)
    draw(drawn, settings["experiment"], settings["titles"], notes, outputs.png, outputs.pdf)


def points(scores: pd.DataFrame, counts: pd.DataFrame, experiment: dict) -> pd.DataFrame:
    """Return the points drawn, one row each, in configuration order.

    Every point, including 0 shots, is scored on its seed's test speakers, so that points differ only in the few-shot
    examples. Points without runs are left out.
    """
    wanted = scores[
        (scores["source"] == experiment["source"])
        & (scores["condition"] == CLEAN)
        & (scores["test_set"] == "test")
        & scores["model"].isin(experiment["models"])
        & scores["target"].isin(experiment["targets"])
        & scores["shots"].isin(experiment["shots"])
    ]
    summary = mean_over_seeds(wanted, counts, ["target", "model", "shots"])
    for column, order in (("target", experiment["targets"]), ("model", experiment["models"])):
        summary[column] = pd.Categorical(summary[column], order, ordered=True)
    return summary.sort_values(["target", "model", "shots"])[COLUMNS].reset_index(drop=True)


def draw(points: pd.DataFrame, experiment: dict, titles: dict[str, str], notes: list[str], *paths) -> None:
    """Draw UAR by shots, one panel per target and one line per model."""
    style.set_style()
    targets, models = experiment["targets"], experiment["models"]
    colours, markers = style.model_styles(models)
    figure, panels = plt.subplots(
        1, len(targets), figsize=(3.6 * len(targets), 3.4), sharey=True, squeeze=False, layout="constrained"
    )
    spread = 0.012 * max(1, max(experiment["shots"]))  # shift models so that their intervals do not coincide
    offsets = (np.arange(len(models)) - (len(models) - 1) / 2) * spread
    for axes, target in zip(panels[0], targets, strict=True):
        for model, offset in zip(models, offsets, strict=True):
            line = points[(points["target"] == target) & (points["model"] == model)]
            axes.errorbar(
                line["shots"] + offset,
                line["uar"],
                yerr=style.intervals(line),
                linestyle=style.LINES[models.index(model) % len(style.LINES)],
                color=colours[model],
                marker=markers[model],
                markersize=5,
                linewidth=1.4,
                elinewidth=1,
                capsize=2.5,
                label=titles[model],
            )
            style.draw_seeds(axes, line["shots"] + offset, line, color=colours[model], edgecolors="white")
        axes.axhline(style.CHANCE, color="0.4", linestyle=":", linewidth=1.2, label="chance")
        axes.set_title(f"{experiment['source']} to {target}")
        axes.set_xticks(sorted(experiment["shots"]))
        axes.set_xlabel("few-shot examples")
    panels[0, 0].set_ylabel("UAR (%) on test speakers")
    figure.supxlabel(style.seeds_note(points), fontsize=8)
    style.limit_to_percentages(panels[0, 0])
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    style.add_footnotes(figure, notes)
    style.save(figure, *paths)
