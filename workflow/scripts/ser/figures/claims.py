"""Verdicts on the paper's claims as CSV, Markdown and figure."""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd

from ser.core import files
from ser.evaluation import claims, confusions
from ser.figures import style

COLOURS = {"supported": "#0173b2", "contradicted": "#d55e00", "inconclusive": "0.45", "not tested": "0.75"}
MARKERS = {"supported": "o", "contradicted": "X", "inconclusive": "D", "not tested": "."}
INCH_PER_ROW = 0.24


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
    """A claim a section, a comparison a row."""
    lines = ["# The paper's claims", "", *(f"**{note}**\n" for note in notes), claims.EXPLANATION, ""]
    for claim, rows in table.groupby("claim"):
        lines += [
            f"## {claim}: {rows['claim_verdict'].iloc[0]}",
            "",
            rows["statement"].iloc[0] + ".",
            "",
            "| comparison | effect | 95 % interval | cells agreeing | verdict | rests on | note |",
            "|---|---:|---:|---:|---|---|---|",
        ]
        lines += ["| " + " | ".join(map(escaped, texts_of(row))) + " |" for row in rows.itertuples()]
        lines.append("")
    return "\n".join(lines)


def texts_of(row) -> list[str]:
    """Return the columns of a comparison as text, empty if it was not tested."""
    if pd.isna(row.effect):
        return [row.comparison, "", "", "", row.verdict, row.rests_on, row.note]
    verdict = row.verdict + (f" (would hold within {row.margin:.2f})" if pd.notna(row.margin) else "")
    return [
        row.comparison,
        f"{row.effect:+.1f}",
        f"{row.low:+.1f} to {row.high:+.1f}",
        f"{row.agreeing:.0f} of {row.cells:.0f}",
        verdict,
        row.rests_on,
        row.note,
    ]


def escaped(text: str) -> str:
    """Escape text for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def draw(table: pd.DataFrame, notes: list[str], path) -> None:
    """Draw effects, confidence intervals and verdicts of all comparisons."""
    style.set_style()
    places, headings, y = {}, [], 0.0
    for claim, rows in table.groupby("claim"):
        basis = " and ".join(rows["rests_on"].unique())
        title = f"{claim}  {rows['statement'].iloc[0]} ({basis})"
        headings.append((y, title, rows["claim_verdict"].iloc[0]))
        for index in rows.index:
            y += 1
            places[index] = y
        y += 1.6
    figure = plt.figure(figsize=(13.5, INCH_PER_ROW * (y + 2.5)))
    axes = figure.add_axes((0.38, 0, 0.25, 1))
    columns = figure.add_axes((0, 0, 1, 1), sharey=axes, frameon=False)
    for other in (axes, columns):
        other.set_ylim(y, -2.2)
    columns.set_xlim(0, 1)
    columns.axis("off")
    at = {"effect": 0.69, "interval": 0.80, "cells": 0.89}
    for title, x in at.items():
        columns.text(x, -1.5, HEADINGS[title], ha="right", va="center", fontsize=9, fontweight="bold")
    columns.text(0.945, -1.5, "verdict", ha="left", va="center", fontsize=9, fontweight="bold")
    for place, statement, verdict in headings:
        columns.axhspan(place - 0.5, place + 0.5, xmax=1.025, color="0.93", zorder=0, clip_on=False)
        columns.text(0.0, place, statement, va="center", fontsize=10, fontweight="bold")
        columns.text(0.945, place, verdict, va="center", fontsize=10, fontweight="bold", color=COLOURS[verdict])
    for row in table.itertuples():
        place = places[row.Index]
        columns.text(0.015, place, row.comparison, va="center", fontsize=9)
        columns.text(0.945, place, row.verdict, va="center", fontsize=9, color=COLOURS[row.verdict])
        if pd.isna(row.effect):
            axes.text(0, place, row.note, ha="center", va="center", fontsize=8, color="0.4")
            continue
        texts = texts_of(row)
        for x, text in zip(at.values(), texts[1:4], strict=True):
            columns.text(x, place, text.replace("-", "\N{MINUS SIGN}"), ha="right", va="center", fontsize=9)
        colour = COLOURS[row.verdict]
        axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.4)
        axes.plot(row.effect, place, marker=MARKERS[row.verdict], color=colour, markersize=5)
    axes.axvline(0, color="0.3", linewidth=1)
    axes.set_yticks([])
    axes.set_xlabel("difference in UAR points, with 95 % confidence interval")
    figure.text(0.0, -0.75 / figure.get_figheight(), explanation(table), va="top", fontsize=9)
    style.add_footnotes(figure, notes, below=0.75 + 0.17 * (explanation(table).count("\n") + 2))
    style.save(figure, path)


HEADINGS = {"effect": "effect", "interval": "95 % interval", "cells": "cells\nagreeing"}


def explanation(table: pd.DataFrame) -> str:
    """Return an explanation of the figure, with the notes of its comparisons."""
    tested = table[table["effect"].notna()]
    said = [f"{row.note[0].upper()}{row.note[1:]}." for row in tested.itertuples() if row.note]
    said += [f"{row.claim} would hold within {row.margin:.2f} points." for row in tested.itertuples() if row.margin > 0]
    return "\n".join(textwrap.wrap(" ".join([claims.EXPLANATION, *dict.fromkeys(said)]), 190))
