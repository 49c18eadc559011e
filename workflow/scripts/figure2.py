"""Write and draw Figure 2: few-shot adaptation."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ser import drawing, figure2, job
from ser.summaries import read_scores


def main(snakemake):
    settings = snakemake.params.settings
    points = figure2.points(read_scores(snakemake.input.scores, settings["scores"]), settings["experiment"])
    notes = drawing.footnotes(settings["label"], drawing.archive_notes(snakemake.input.archives))
    drawing.write_drawn(points, notes, snakemake.output.csv)
    draw(points, settings["experiment"], settings["titles"], notes, snakemake.output.png, snakemake.output.pdf)


def draw(points: pd.DataFrame, experiment: dict, titles: dict[str, str], notes: list[str], *paths) -> None:
    """One panel a target: UAR against samples, a line a model, repetitions, 95 % intervals, chance."""
    drawing.set_style()
    targets, models = experiment["targets"], experiment["models"]
    colours, markers = drawing.model_styles(models)
    figure, panels = plt.subplots(
        1, len(targets), figsize=(3.6 * len(targets), 3.4), sharey=True, squeeze=False, layout="constrained"
    )
    spread = 0.012 * max(1, max(experiment["shots"]))  # models are set apart, or their intervals would coincide
    offsets = (np.arange(len(models)) - (len(models) - 1) / 2) * spread
    for axes, target in zip(panels[0], targets, strict=True):
        for model, offset in zip(models, offsets, strict=True):
            line = points[(points["target"] == target) & (points["model"] == model)]
            axes.errorbar(
                line["shots"] + offset,
                line["uar"],
                yerr=drawing.intervals(line),
                linestyle=drawing.LINES[models.index(model) % len(drawing.LINES)],
                color=colours[model],
                marker=markers[model],
                markersize=5,
                linewidth=1.4,
                elinewidth=1,
                capsize=2.5,
                label=titles[model],
            )
            drawing.draw_each(axes, line["shots"] + offset, line, color=colours[model], edgecolors="white")
        axes.axhline(drawing.CHANCE, color="0.4", linestyle=":", linewidth=1.2, label="chance")
        axes.set_title(f"{experiment['source']} to {target}")
        axes.set_xticks(sorted(experiment["shots"]))
        axes.set_xlabel("target samples")
    panels[0, 0].set_ylabel("UAR (%) on test speakers")
    figure.supxlabel(drawing.repetitions_note(points), fontsize=8)
    drawing.limit_to_percentages(panels[0, 0])
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    drawing.add_footnotes(figure, notes)
    drawing.save(figure, *paths)


if __name__ == "__main__":
    job.run(snakemake, main)
