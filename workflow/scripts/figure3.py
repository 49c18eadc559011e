"""Write and draw Figure 3: robustness to noise."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ser import drawing, figure3, job
from ser.summaries import read_scores
from ser.vocabulary import CLEAN


def main(snakemake):
    settings = snakemake.params.settings
    bars = figure3.bars(read_scores(snakemake.input.scores, settings["scores"]), settings["experiment"])
    notes = drawing.footnotes(settings["label"], drawing.archive_notes(snakemake.input.archives))
    drawing.write_drawn(bars, notes, snakemake.output.csv)
    draw(bars, settings["experiment"], settings["titles"], notes, snakemake.output.png, snakemake.output.pdf)


def draw(bars: pd.DataFrame, experiment: dict, titles: dict[str, str], notes: list[str], *paths) -> None:
    """One panel a target: a plain bar for clean and a hatched one for noisy audio, per model."""
    drawing.set_style()
    targets, models = experiment["targets"], experiment["models"]
    colours, _ = drawing.model_styles(models)
    figure, panels = plt.subplots(
        1,
        len(targets),
        figsize=(max(2.6, 0.75 * len(models) + 0.9) * len(targets), 3.6),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    positions = np.arange(len(models))
    for axes, target in zip(panels[0], targets, strict=True):
        for condition, shift, hatch in ((CLEAN, -0.2, ""), (experiment["condition"], 0.2, "////")):
            chosen = bars[(bars["target"] == target) & (bars["condition"] == condition)].set_index("model")
            chosen = chosen.reindex(models)
            axes.bar(
                positions + shift,
                chosen["uar"],
                0.38,
                yerr=drawing.intervals(chosen),
                color=[colours[model] for model in models] if not hatch else "white",
                edgecolor=[colours[model] for model in models],
                hatch=hatch,
                capsize=2.5,
                error_kw={"elinewidth": 1},
            )
            drawing.draw_each(axes, positions + shift, chosen, color="black", edgecolors="white")
            if hatch:
                for position, (_, bar) in zip(positions, chosen.iterrows(), strict=True):
                    if pd.notna(bar["loss"]):
                        axes.text(
                            position + shift,
                            1,
                            change_text(bar),
                            ha="center",
                            va="bottom",
                            fontsize=7.5,
                            bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"},
                        )
        axes.axhline(drawing.CHANCE, color="0.4", linestyle="--", linewidth=1)
        axes.set_title(f"{experiment['source']} to {target}")
        axes.set_xticks(positions, [titles[model] for model in models], rotation=30 if len(models) > 2 else 0)
        axes.grid(axis="x", visible=False)
    panels[0, 0].set_ylabel("UAR (%)")
    figure.supxlabel(drawing.repetitions_note(bars), fontsize=8)
    drawing.limit_to_percentages(panels[0, 0])
    handles = [
        plt.Rectangle((0, 0), 1, 1, facecolor="0.6", edgecolor="0.4"),
        plt.Rectangle((0, 0), 1, 1, facecolor="white", edgecolor="0.4", hatch="////"),
        plt.Line2D([], [], color="0.4", linestyle="--", linewidth=1),
    ]
    labels = ["clean", f"{experiment['condition']} (change in points at its foot)", "chance"]
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    drawing.add_footnotes(figure, notes)
    drawing.save(figure, *paths)


def change_text(bar: pd.Series) -> str:
    """Change in UAR points from clean to noisy, and half its 95 % interval if there are repetitions enough."""
    change = f"{-bar['loss']:+.1f}"
    if bar["seeds"] < drawing.FEWEST or pd.isna(bar["loss_high"]):
        return change
    return f"{change}\n\N{PLUS-MINUS SIGN}{bar['loss_high'] - bar['loss']:.1f}"


if __name__ == "__main__":
    job.run(snakemake, main)
