"""Common style and helpers of tables and figures."""

import os
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ser.core.constants import EMOTIONS
from ser.core.files import atomic_write, read_json

CHANCE = 100 / len(EMOTIONS)  # UAR in % of any prediction that ignores the speech
DOTS_PER_INCH = 300
MIN_SEEDS = 2  # to show an interval: that of one seed is over speakers only, without the variance between training runs
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")  # nine, beside ten colours: 90 models differ


def set_style() -> None:
    """Set the common style: seaborn's colour-blind palette on white, and `$` in names as it is."""
    sns.set_theme(style="whitegrid", palette="colorblind", font_scale=0.9)
    plt.rcParams.update(
        {"figure.dpi": 100, "savefig.dpi": DOTS_PER_INCH, "axes.titleweight": "bold", "text.parse_math": False}
    )


def colours_and_markers(names: Sequence[str]) -> tuple[dict[str, tuple], dict[str, str]]:
    """Return a distinct colour and marker for every name, for example of a model."""
    colours = dict(zip(names, sns.color_palette("colorblind", len(names)), strict=True))
    markers = {name: MARKERS[i % len(MARKERS)] for i, name in enumerate(names)}
    return colours, markers


def name_models(axes, titles: Sequence[str]) -> None:
    """Label the positions 0, 1, ... of the x-axis, at least 0.85 inches apart, with models' titles."""
    axes.set_xticks(range(len(titles)), [textwrap.fill(title, 13) for title in titles], fontsize=7.5)


def limit_to_percentages(axes) -> None:
    """Limit the y-axis to 0 to 100, which intervals may exceed."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(0, low), min(100, high))


def in_order(cells: pd.DataFrame, orders: Mapping[str, Sequence]) -> pd.DataFrame:
    """Sort cells by columns whose values have an order, for example that of the configuration."""
    ranked = cells.sort_values(list(orders), key=lambda column: column.map(list(orders[column.name]).index))
    return ranked.reset_index(drop=True)


def footnotes(label: str | None, notes: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the notes of a table or figure: the label, and each note with the corpora or models it is on.

    Args:
        notes: corpus or model -> its notes.
    """
    names: dict[str, list[str]] = {}
    for name, own in notes.items():
        for note in own:
            names.setdefault(note, []).append(name)
    return ([label] if label else []) + [f"{', '.join(noted)}: {note}" for note, noted in names.items()]


def notes(settings: Mapping, inputs) -> list[str]:
    """Return the notes of a table or figure on the configuration's label and its corpora's recordings."""
    return footnotes(settings["label"], archive_notes(inputs.archives))


def write_drawn(frame: pd.DataFrame, notes: Sequence[str], path: str | os.PathLike) -> None:
    """Write the values drawn as CSV, with the figure's notes in every row."""
    write_csv(frame.assign(note="; ".join(notes)), path)


def write_csv(frame: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a table with four decimals."""
    with atomic_write(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.4f")


def intervals(rows: pd.DataFrame) -> list:
    """Return the margins of 95 % intervals, NaN for fewer than `MIN_SEEDS` seeds."""
    margins = (rows["uar"] - rows["low"], rows["high"] - rows["uar"])
    return [margin.clip(lower=0).where(rows["seeds"] >= MIN_SEEDS) for margin in margins]


def draw_seeds(axes, positions, rows: pd.DataFrame, **style) -> None:
    """Draw the UAR of every seed as a dot."""
    for position, each in zip(positions, rows["each"], strict=True):
        values = list(map(float, str(each).split()))
        axes.scatter([position] * len(values), values, s=7, linewidths=0.4, zorder=3, **style)


def seeds_note(rows: pd.DataFrame) -> str:
    """Return the legend text for dots and bars."""
    dots = "dots: single seeds"
    return dots + (", bars: 95 % confidence intervals of the mean" if (rows["seeds"] >= MIN_SEEDS).any() else "")


def difference_colour(difference: float, largest: float) -> tuple | str:
    """Return blue for a positive difference and orange for a negative one, stronger for larger ones."""
    if pd.isna(difference):
        return "white"
    strength = 0.6 * min(1.0, abs(difference) / largest)
    blue, orange = (0.004, 0.451, 0.698), (0.871, 0.561, 0.020)
    base = blue if difference > 0 else orange
    return tuple(1 - strength * (1 - channel) for channel in base)


def save(figure: Figure, notes: Sequence[str], *paths: str | os.PathLike, below: float = 0.22) -> None:
    """Write a figure with its notes as PNG or PDF, reproducibly: without time or version.

    Args:
        notes: printed in a prominent box under the figure.
        below: distance of the box from the figure in inches.
    """
    if notes:
        figure.text(
            0.5,
            -below / figure.get_figheight(),
            textwrap.fill(" \N{MIDDLE DOT} ".join(notes), max(60, int(13 * figure.get_figwidth()))),
            ha="center",
            va="top",
            fontsize=9,
            fontweight="bold",
            bbox={"boxstyle": "round,pad=0.4", "facecolor": "#fff3cd", "edgecolor": "#997404"},
        )
    for path in paths:
        metadata = dict.fromkeys(
            ("Creator", "Producer", "CreationDate") if str(path).endswith(".pdf") else ("Software",)
        )
        with atomic_write(path) as temporary:
            figure.savefig(temporary, bbox_inches="tight", pad_inches=0.15, metadata=metadata)
    plt.close(figure)


def archive_notes(paths: Sequence[str]) -> dict[str, list[str]]:
    """Read corpus -> notes from `results/corpora/{corpus}/archive.json`, none if the corpus is as published."""
    verifications = {str(path).split("/")[-2]: read_json(path)["verification"] for path in paths}
    return {
        corpus: found["notes"] + ["contents not verified"] * (found["level"] == "none")
        for corpus, found in verifications.items()
    }


def markdown_table(table: pd.DataFrame, caption: str, notes: Sequence[str]) -> str:
    """Return a table of texts in Markdown, below its caption and notes; numbers are aligned to the right."""
    words = [name for name in table.columns if name in ("Source", "Target", "Model")]
    rules = ["---" if name in words else "---:" for name in table.columns]
    rows = [list(table.columns), rules, *table.to_numpy().tolist()]
    lines = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([caption, *(f"\n**{note}**" for note in notes), "", *lines]) + "\n"


def draw_table(
    cells: Sequence[Sequence[str]], header: Sequence[str], widths: Sequence[float], colours=None, row_height=0.36
):
    """Draw a table as a figure, with a bold header.

    Args:
        cells: rows of texts.
        widths: widths of the columns in inches.
        colours: background per cell, or None.
    """
    header_height = max(0.4, 0.17 * max(text.count("\n") + 1 for text in header) + 0.1)
    height = row_height * len(cells) + header_height
    figure = plt.figure(figsize=(sum(widths), height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    total = sum(widths)
    table = axes.table(
        cellText=cells,
        colLabels=header,
        cellColours=colours,
        colWidths=[width / total for width in widths],
        cellLoc="center",
        bbox=(0, 0, 1, 1),
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    for (row, _), cell in table.get_celld().items():
        cell.set_edgecolor("#cccccc")
        cell.set_height((row_height if row else header_height) / height)
        if row == 0:
            cell.set_text_props(fontweight="bold")
            cell.set_facecolor("#eeeeee")
    return figure
