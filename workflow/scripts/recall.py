"""Draw the recall of every emotion, target and model."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ser import confusions, drawing, job
from ser.vocabulary import EMOTIONS


def main(snakemake):
    settings = snakemake.params.settings
    recalls = confusions.recalls(confusions.read([snakemake.input.confusions]), ["target", "model"])
    notes = drawing.footnotes(settings["label"], drawing.archive_notes(snakemake.input.archives))
    drawing.write_drawn(recalls, notes, snakemake.output.csv)
    draw(recalls, settings["experiment"], settings["titles"], notes, snakemake.output.png, snakemake.output.pdf)


def draw(recalls: pd.DataFrame, experiment: dict, titles: dict[str, str], notes: list[str], *paths) -> None:
    """One panel a target: the recall of each emotion, a marker a model."""
    drawing.set_style()
    models = experiment["models"]
    targets = [target for target in experiment["targets"] if target in set(recalls["target"])]
    colours, markers = drawing.model_styles(models)
    figure, panels = plt.subplots(
        1, len(targets), figsize=(2.9 * len(targets), 3.2), sharey=True, squeeze=False, layout="constrained"
    )
    shifts = np.linspace(-0.28, 0.28, len(models)) if len(models) > 1 else [0]
    for axes, target in zip(panels[0], targets, strict=True):
        for model, shift in zip(models, shifts, strict=True):
            own = recalls[(recalls["target"] == target) & (recalls["model"] == model)]
            values = own.set_index("emotion")["recall"].reindex(EMOTIONS)
            axes.scatter(np.arange(4) + shift, values, color=colours[model], marker=markers[model], label=titles[model])
        axes.axhline(drawing.CHANCE, color="0.4", linestyle=":", linewidth=1.2, label="chance")
        axes.set_title(f"to {target}")
        axes.set_xticks(range(4), EMOTIONS)
        axes.set_ylim(-3, 103)
        axes.grid(axis="x", visible=False)
    panels[0, 0].set_ylabel("recall (%), mean over sources\nand repetitions")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    drawing.add_footnotes(figure, notes)
    drawing.save(figure, *paths)


if __name__ == "__main__":
    job.run(snakemake, main)
