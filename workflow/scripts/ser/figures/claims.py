"""Verdicts on the paper's claims as CSV, Markdown and figure."""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd

from ser.core import files
from ser.evaluation import claims, confusions
from ser.figures import captions, style

COLOURS = {"supported": "#0173b2", "contradicted": "#d55e00", "inconclusive": "0.35", "not tested": "0.6"}
MARKERS = {"supported": "o", "contradicted": "X", "inconclusive": "D"}


def make(inputs, outputs, settings: dict) -> None:
    """Test the claims, write the verdicts and draw them."""
    paths = {path.split("/")[-1].removesuffix("_confusions.csv"): path for path in inputs.confusions}
    table, cells = claims.test(settings, {name: confusions.read([path]) for name, path in paths.items()})
    notes = style.footnotes(settings["label"], style.archive_notes(inputs.archives))
    for path, frame in ((outputs.csv, table), (outputs.cells, cells)):
        labelled = frame.assign(label="; ".join(notes))
        with files.atomic_write(path) as temporary:
            labelled.to_csv(temporary, index=False, float_format="%.4f")
    with files.atomic_write(outputs.markdown) as temporary:
        temporary.write_text(markdown(table, notes), encoding="utf-8")
    draw(table, notes, outputs.png)


def markdown(table: pd.DataFrame, notes: list[str]) -> str:
    """Return one line per claim with its verdict, then the comparisons, then the method."""
    by_claim = [(claim, rows, rows.iloc[0]) for claim, rows in table.groupby("claim")]
    lines = ["# Claims: C0 to C7 of the paper, C8 of this workflow", "", *(f"**{note}**\n" for note in notes)]
    lines += [f"- **{claim}: {first.claim_verdict}.** {first.statement}." for claim, _, first in by_claim]
    lines += ["", "## Comparisons"]
    for claim, rows, first in by_claim:
        lines += ["", f"### {claim}: {first.claim_verdict}", "", f"{first.statement}."]
        if (tested := rows[rows["effect"].notna()]).size:
            lines += [
                "",
                "| comparison | effect | 95 % interval | cells agreeing | verdict | rests on | note |",
                "|---|---:|---:|---:|---|---|---|",
            ]
            lines += ["| " + " | ".join(map(escaped, texts_of(row))) + " |" for row in tested.itertuples()]
        if sentence := not_tested(rows):
            lines += ["", sentence]
    return "\n".join([*lines, "", "## How verdicts are reached", "", claims.EXPLANATION, ""])


def texts_of(row) -> list[str]:
    """Return the columns of a tested comparison as text."""
    verdict = row.verdict + (f" (would hold within {row.margin:.2f})" if pd.notna(row.margin) else "")
    effect, interval = f"{row.effect:+.1f}", f"{row.low:+.1f} to {row.high:+.1f}"
    return [row.comparison, effect, interval, f"{row.agreeing:.0f} of {row.cells:.0f}", verdict, row.rests_on, row.note]


def not_tested(rows: pd.DataFrame) -> str:
    """Return a sentence on a claim's comparisons that could not be made, empty if there are none."""
    untested = rows[rows["effect"].isna()]
    if untested.empty:
        return ""
    reasons: dict[str, dict[str, None]] = {}  # models that an experiment lacks, each once
    for note in untested["note"]:
        reason, absent, models = note.partition(claims.ABSENT)
        reasons.setdefault(reason + absent, {}).update(dict.fromkeys(models.split(", ")))
    said = [
        reason + captions.listed([model for model in models if model]) * any(models)
        for reason, models in reasons.items()
    ]
    count = "Not tested" if len(untested) == len(rows) else f"{len(untested)} of {len(rows)} comparisons not tested"
    return f"{count}: {'; '.join(said)}."


def escaped(text: str) -> str:
    """Escape text for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


WIDTH, INCH_PER_LINE = 8.0, 0.19
AXES = (2.95, 1.75)  # left edge and width, inches
COLUMNS = {"effect": 5.15, "95 % interval": 6.3, "cells": 6.92}  # right edges, inches
VERDICT = 7.02  # left edge, inches
BEHIND_TEXT = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}


def draw(table: pd.DataFrame, notes: list[str], path) -> None:
    """Draw effects, confidence intervals and verdicts of all comparisons, for the width of a page."""
    style.set_style()
    below = explanation(table)
    lines = 2 + sum(2 + len(wrapped(rows)) for _, rows in table.groupby("claim"))
    figure = plt.figure(figsize=(WIDTH, INCH_PER_LINE * lines))
    axes = figure.add_axes((AXES[0] / WIDTH, 0, AXES[1] / WIDTH, 1))
    page = figure.add_axes((0, 0, 1, 1), sharey=axes, frameon=False)
    page.set(xlim=(0, WIDTH), ylim=(lines, 0))
    page.axis("off")
    for title, right in COLUMNS.items():
        page.text(right, 0.7, title, ha="right", va="center", fontsize=8, fontweight="bold")
    page.text(VERDICT, 0.7, "verdict", va="center", fontsize=8, fontweight="bold")
    y = 1.0
    for claim, rows in table.groupby("claim"):
        y += 1
        first = rows.iloc[0]
        heading = f"{claim}  {first.statement} ({' and '.join(rows['rests_on'].unique())})"
        page.axhspan(y - 0.5, y + 0.5, color="0.93", zorder=0)
        page.text(0, y, heading, va="center", fontsize=7.5, fontweight="bold")
        page.text(
            VERDICT,
            y,
            first.claim_verdict,
            va="center",
            fontsize=8,
            fontweight="bold",
            color=COLOURS[first.claim_verdict],
        )
        for text, row in wrapped(rows):
            y += 1
            page.text(0.1, y, text, va="center", fontsize=8, bbox=BEHIND_TEXT, zorder=0.5)
            if row is not None:
                draw_comparison(axes, page, y, row)
        y += 1
    axes.axvline(0, color="0.3", linewidth=1)
    axes.axis("on" if table["effect"].notna().any() else "off")
    axes.set_yticks([])
    axes.tick_params(labelsize=8)
    axes.set_xlabel("difference in UAR points", fontsize=8)
    figure.text(0, -0.5 / figure.get_figheight(), below, va="top", fontsize=7.5)
    style.add_footnotes(figure, notes, below=0.7 + 0.13 * (below.count("\n") + 1))
    style.save(figure, path)


def wrapped(rows: pd.DataFrame) -> list[tuple[str, object]]:
    """Return the lines of a claim: text, and the comparison that is drawn beside it or None."""
    lines = []
    for row in rows[rows["effect"].notna()].itertuples():
        *before, last = textwrap.wrap(row.comparison, 46)
        lines += [(text, None) for text in before] + [(last, row)]
    return lines + [(text, None) for text in textwrap.wrap(not_tested(rows), 120)]


def draw_comparison(axes, page, y: float, row) -> None:
    """Draw a comparison's interval, and write its numbers and verdict."""
    colour = COLOURS[row.verdict]
    for right, text in zip(COLUMNS.values(), texts_of(row)[1:4], strict=True):
        page.text(right, y, text.replace("-", "\N{MINUS SIGN}"), ha="right", va="center", fontsize=8)
    page.text(VERDICT, y, row.verdict, va="center", fontsize=8, color=colour)
    axes.plot([row.low, row.high], [y, y], color=colour, linewidth=1.4)
    axes.plot(row.effect, y, marker=MARKERS[row.verdict], color=colour, markersize=4.5)


def explanation(table: pd.DataFrame) -> str:
    """Return an explanation of the figure, with the notes of its comparisons."""
    tested = table[table["effect"].notna()]
    said = [f"{row.note[0].upper()}{row.note[1:]}." for row in tested.itertuples() if row.note]
    said += [f"{row.claim} would hold within {row.margin:.2f} points." for row in tested.itertuples() if row.margin > 0]
    return "\n".join(textwrap.wrap(" ".join([claims.EXPLANATION, *dict.fromkeys(said)]), 138))
