"""Recall by emotion, target and model."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ser.core.constants import EMOTIONS
from ser.evaluation import confusions
from ser.figures import style


def make(inputs, outputs, settings: dict) -> None:
    """Write the recall of every emotion and draw it."""
    recalls = confusions.recalls(confusions.read(inputs.confusions), ["target", "model"])
    notes = style.notes(settings, inputs)
    style.write_drawn(recalls, notes, outputs.csv)
    draw(recalls, settings["experiment"], settings["titles"], notes, outputs.png, outputs.pdf)


def draw(recalls: pd.DataFrame, experiment: dict, titles: dict[str, str], notes: list[str], *paths) -> None:
    """Draw the recall of each emotion, one panel per target and marker per model."""
    models = experiment["models"]
    targets = [target for target in experiment["targets"] if target in set(recalls["target"])]
    colours, markers = style.colours_and_markers(models)
    figure, panels = plt.subplots(
        1, len(targets), figsize=(2.9 * len(targets), 3.2), sharey=True, squeeze=False, layout="constrained"
    )
    shifts = np.linspace(-0.28, 0.28, len(models)) if len(models) > 1 else [0]
    for axes, target in zip(panels[0], targets, strict=True):
        for model, shift in zip(models, shifts, strict=True):
            own = recalls[(recalls["target"] == target) & (recalls["model"] == model)]
            values = own.set_index("emotion")["recall"].reindex(EMOTIONS)
            axes.scatter(np.arange(4) + shift, values, color=colours[model], marker=markers[model], label=titles[model])
        axes.axhline(style.CHANCE, color="0.4", linestyle=":", linewidth=1.2, label="chance")
        axes.set_title(f"to {target}")
        axes.set_xticks(range(4), EMOTIONS)
        axes.set_ylim(-3, 103)
        axes.grid(axis="x", visible=False)
    panels[0, 0].set_ylabel("recall (%), mean over sources\nand seeds")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels)), frameon=False)
    style.save(figure, notes, *paths)
