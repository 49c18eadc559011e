"""Training curves: development UAR and losses by epoch."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import MaxNLocator

from ser.core.paths import RunId
from ser.figures import style

MEASURES = ["train_loss", "dev_loss", "dev_uar"]
COLUMNS = ["model", "source", "epoch", *MEASURES, "seeds"]
MARKERS = 8  # about as many on a curve, so that they do not hide the line


def make(inputs, outputs, settings: dict) -> None:
    """Write the mean learning curves and draw them."""
    curves = mean_curves(inputs.histories)
    notes = style.notes(settings, inputs)
    style.write_drawn(curves, notes, outputs.csv)
    draw(
        curves,
        settings["models"],
        settings["sources"],
        settings["titles"],
        settings["steps"],
        notes,
        outputs.png,
        outputs.pdf,
    )


def mean_curves(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Return mean losses and development UAR (%) by model, source and epoch, to the last that all seeds were trained.

    Args:
        paths: `results/runs/{model}/{source}-to-any/0-shot/seed{seed}/history.csv`.
    """
    frames = []
    for path in paths:
        run = RunId.parse(path)
        frames.append(pd.read_csv(path).assign(model=run.model, source=run.source))
    grouped = pd.concat(frames, ignore_index=True).groupby(["model", "source", "epoch"], sort=False)
    curves = grouped[MEASURES].mean().assign(seeds=grouped.size()).reset_index()[COLUMNS]
    return curves[curves["seeds"] == curves.groupby(["model", "source"])["seeds"].transform("max")]


def draw(
    curves: pd.DataFrame,
    models: list,
    sources: list,
    titles: dict[str, str],
    steps: dict[str, str],
    notes: list[str],
    *paths,
) -> None:
    """Draw development UAR (top) and losses (bottom), one column per model; `steps` are the labels of their axes."""
    sources = [source for source in sources if source in set(curves["source"])]
    colours, markers = style.colours_and_markers(sources)
    figure, panels = plt.subplots(
        2,
        len(models),
        figsize=(2.4 * len(models) + 0.6, 5.2),
        sharex="col",
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for (above, below), model in zip(panels.T, models, strict=True):
        for source in sources:
            own = curves[(curves["model"] == model) & (curves["source"] == source)]
            look = {"color": colours[source], "marker": markers[source], "markersize": 4, "linewidth": 1.2}
            look["markevery"] = max(1, len(own) // MARKERS)
            above.plot(own["epoch"], own["dev_uar"], label=source, **look)
            below.plot(own["epoch"], own["train_loss"], **look)
            below.plot(own["epoch"], own["dev_loss"], linestyle="--", **look)
        above.axhline(style.CHANCE, color="0.4", linestyle=":", linewidth=1.2, label="chance")
        above.set_title(textwrap.fill(titles[model], 21))
        below.set_xlabel(steps[model])
        below.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    panels[0, 0].set_ylabel("development UAR (%)")
    panels[1, 0].set_ylabel("loss: training solid,\ndevelopment dashed")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    style.save(figure, notes, *paths)
