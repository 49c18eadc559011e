"""Confusion matrices by model."""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from ser.core.constants import EMOTIONS
from ser.evaluation import confusions
from ser.figures import style


def make(inputs, outputs, settings: dict) -> None:
    """Write the mean confusion matrices and draw them."""
    shares = confusions.matrices(confusions.read(inputs.confusions), ["model"])
    notes = style.notes(settings, inputs)
    style.write_drawn(shares, notes, outputs.csv)
    models = settings["experiment"]["models"]
    draw(shares, models, settings["titles"], notes, outputs.png, outputs.pdf)


def draw(shares: pd.DataFrame, models: list[str], titles: dict[str, str], notes: list[str], *paths) -> None:
    """Draw one matrix per model: true classes in rows, predicted in columns."""
    figure, panels = plt.subplots(
        1, len(models), figsize=(2.3 * len(models) + 0.8, 2.9), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, model in zip(panels[0], models, strict=True):
        own = shares[shares["model"] == model].set_index("emotion").loc[list(EMOTIONS), list(EMOTIONS)]
        axes.set_title(textwrap.fill(titles[model], 20))
        sns.heatmap(
            own, ax=axes, cmap="Blues", vmin=0, vmax=100, annot=True, fmt=".0f", cbar=False, square=True, linewidths=0.5
        )
        axes.set_xlabel("predicted")
        axes.set_ylabel("true" if model == models[0] else "")
        axes.tick_params(axis="x", rotation=45)
        axes.tick_params(axis="y", rotation=0)
    figure.suptitle("Predictions in % of each true emotion, mean over pairs and seeds", fontsize=10)
    style.save(figure, notes, *paths)
