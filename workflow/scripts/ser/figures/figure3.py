"""Figure 3: zero-shot UAR on clean and noisy test audio."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ser.core.paths import CLEAN
from ser.evaluation.bootstrap import Bootstrap
from ser.evaluation.intervals import change_from_clean, mean_over_seeds
from ser.figures import experiment_figure, style

CHANGE = ["change", "change_low", "change_high"]
COLUMNS = ["target", "model", "condition", "uar", "low", "high", "std", "seeds", "n", "each", *CHANGE]


def make(inputs, outputs, settings: dict) -> None:
    """Write the bars of Figure 3 and draw them."""
    experiment_figure.make(bars, draw, inputs, outputs, settings)


def bars(scores: pd.DataFrame, counts: pd.DataFrame, experiment: dict) -> pd.DataFrame:
    """Return the bars drawn, one row each, in configuration order.

    `change`, in the noisy rows, is the mean over seeds of noisy minus clean in UAR points, with its confidence
    interval.
    """
    summary = mean_over_seeds(scores, counts, "all")
    paired, noisy = Bootstrap(counts, "all"), scores[scores["condition"] != CLEAN]
    changes = [
        (target, model, *change_from_clean(paired, experiment["condition"], model, experiment["source"], target))
        for target, model in noisy[["target", "model"]].drop_duplicates().to_numpy()
    ]
    changes = pd.DataFrame(changes, columns=["target", "model", *CHANGE])
    summary = summary.merge(changes, how="left", on=["target", "model"])
    summary.loc[summary["condition"] == CLEAN, CHANGE] = float("nan")
    conditions = [CLEAN, experiment["condition"]]
    orders = {"target": experiment["targets"], "model": experiment["models"], "condition": conditions}
    return style.in_order(summary, orders)[COLUMNS]


def change_text(bar: pd.Series) -> str:
    """Return a change in UAR points, above half its confidence interval if there are enough seeds."""
    change = f"{bar['change']:+.1f}"
    if bar["seeds"] < style.MIN_SEEDS:
        return change
    return f"{change}\n\N{PLUS-MINUS SIGN}{(bar['change_high'] - bar['change_low']) / 2:.1f}"


def draw(bars: pd.DataFrame, experiment: dict, titles: dict[str, str], notes: list[str], *paths) -> None:
    """Draw one panel per target, with plain (clean) and hatched (noisy) bars."""
    targets, models = experiment["targets"], experiment["models"]
    colours, _ = style.colours_and_markers(models)
    figure, panels = plt.subplots(
        1,
        len(targets),
        figsize=(max(2.6, 0.87 * len(models) + 0.5) * len(targets), 3.6),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    positions = np.arange(len(models))
    for axes, target in zip(panels[0], targets, strict=True):
        for condition, shift, hatch in ((CLEAN, -0.2, ""), (experiment["condition"], 0.2, "////")):
            chosen = bars[(bars["target"] == target) & (bars["condition"] == condition)]  # in the models' order
            axes.bar(
                positions + shift,
                chosen["uar"],
                0.38,
                yerr=style.intervals(chosen),
                color=[colours[model] for model in models] if not hatch else "white",
                edgecolor=[colours[model] for model in models],
                hatch=hatch,
                capsize=2.5,
                error_kw={"elinewidth": 1},
            )
            style.draw_seeds(axes, positions + shift, chosen, color="black", edgecolors="white")
            if hatch:
                box = {"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"}
                for position, (_, bar) in zip(positions + shift, chosen.iterrows(), strict=True):
                    axes.text(position, 1, change_text(bar), ha="center", va="bottom", fontsize=7.5, bbox=box)
        axes.axhline(style.CHANCE, color="0.4", linestyle="--", linewidth=1)
        axes.set_title(f"{experiment['source']} to {target}")
        style.name_models(axes, [titles[model] for model in models])
        axes.grid(axis="x", visible=False)
    panels[0, 0].set_ylabel("UAR (%)")
    figure.supxlabel(style.seeds_note(bars), fontsize=8)
    style.limit_to_percentages(panels[0, 0])
    handles = [
        plt.Rectangle((0, 0), 1, 1, facecolor="0.6", edgecolor="0.4"),
        plt.Rectangle((0, 0), 1, 1, facecolor="white", edgecolor="0.4", hatch="////"),
        plt.Line2D([], [], color="0.4", linestyle="--", linewidth=1),
    ]
    labels = ["clean", f"{experiment['condition']} (change in points at the bottom)", "chance"]
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    style.save(figure, notes, *paths)
