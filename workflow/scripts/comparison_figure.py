"""Write and draw the comparison of an experiment's models over its pairs."""

import matplotlib.pyplot as plt
import pandas as pd

from ser import comparison, drawing, job
from ser.summaries import read_scores


def main(snakemake):
    settings = snakemake.params.settings
    cells = comparison.cells(read_scores(snakemake.input.scores, settings["scores"]), settings["experiment"])
    notes = drawing.footnotes(settings["label"], drawing.archive_notes(snakemake.input.archives))
    drawing.write_drawn(cells, notes, snakemake.output.csv)
    draw(cells, settings["experiment"], settings["titles"], notes, snakemake.output.png, snakemake.output.pdf)


def draw(cells: pd.DataFrame, experiment: dict, titles: dict[str, str], notes: list[str], *paths) -> None:
    """A line a pair across the models, their mean as a bar, chance dashed."""
    drawing.set_style()
    models = experiment["models"]
    by_pair = cells.pivot(index=["source", "target"], columns="model", values="uar").reindex(columns=models)
    by_pair = by_pair.dropna(how="all")
    colours, markers = drawing.model_styles([" to ".join(pair) for pair in by_pair.index])
    figure, axes = plt.subplots(figsize=(max(3.6, 1.3 * len(models) + 1), 3.8), layout="constrained")
    means = by_pair.mean()
    axes.bar(range(len(models)), means, 0.6, color="0.88", edgecolor="0.6", label="mean")
    for position, mean in enumerate(means):
        if pd.notna(mean):
            axes.text(position, 1, f"{mean:.1f}", ha="center", va="bottom", fontsize=9)
    for pair, row in by_pair.iterrows():
        name = " to ".join(pair)
        axes.plot(range(len(models)), row, color=colours[name], marker=markers[name], linewidth=1.2, label=name)
    axes.axhline(drawing.CHANCE, color="0.4", linestyle="--", linewidth=1, label="chance")
    axes.set_xticks(range(len(models)), [titles[model] for model in models], rotation=20 if len(models) > 2 else 0)
    axes.set_ylabel("UAR (%)")
    axes.grid(axis="x", visible=False)
    drawing.limit_to_percentages(axes)
    figure.legend(loc="outside right center", frameon=False, fontsize=8)
    drawing.add_footnotes(figure, notes)
    drawing.save(figure, *paths)


if __name__ == "__main__":
    job.run(snakemake, main)
