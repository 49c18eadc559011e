"""Verdicts on the paper's claims as CSV, Markdown and figure."""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd

from ser.core import files
from ser.evaluation import claims, confusions
from ser.evaluation.tables import read_table
from ser.figures import style

GREY = "0.35"
COLOURS = {"supported": "#0173b2", "contradicted": "#d55e00"}
MARKERS = {"supported": "o", "contradicted": "X"}


def make(inputs, outputs, settings: dict) -> None:
    """Test the claims, write the verdicts and draw them."""
    scores = {_experiment(path, ".csv"): read_table(path) for path in inputs.scores}
    counts = {_experiment(path, "_confusions.csv"): confusions.read(path) for path in inputs.confusions}
    table, cells = claims.test(settings, counts, scores)
    notes = style.notes(settings, inputs)
    for path, frame in ((outputs.csv, table), (outputs.cells, cells)):
        style.write_csv(frame.assign(footnotes="; ".join(notes)), path)
    files.write_text(outputs.markdown, markdown(table, notes))
    draw(table, notes, outputs.png)


def _experiment(path: str, ending: str) -> str:
    return path.split("/")[-1].removesuffix(ending)


def verdict_text(row) -> str:
    """Return a claim's verdict, with the reason if there is none."""
    return f"{row.claim_verdict}: {row.reason}" if row.reason else row.claim_verdict


def markdown(table: pd.DataFrame, notes: list[str]) -> str:
    """Return the verdicts with their primary contrasts, then the method, then the other comparisons."""
    lines = ["# Claims: C0 to C7 and C9 of the paper, C8 of this workflow", "", *(f"**{note}**\n" for note in notes)]
    lines += ["| claim | verdict | statement |", "|---|---|---|"]
    for first in table.drop_duplicates("claim").itertuples():
        lines.append(f"| {first.claim} | **{first.claim_verdict}**{verdict_reason(first)} | {first.statement} |")
    lines += ["", "## Primary contrasts", ""]
    primary = table[table["primary"] & table["effect"].notna()]
    lines += rows_of(primary) if len(primary) else ["None could be tested."]
    lines += ["", claims.EXPLANATION, "", "## Other comparisons", "", "Descriptive: no verdict rests on them."]
    for claim, rows in table.groupby("claim"):
        other = rows[~rows["primary"] & rows["effect"].notna()]
        said = not_tested(rows)
        if len(other) or said:
            lines += ["", f"### {claim}: {rows['statement'].iloc[0]}"]
            lines += ["", *rows_of(other)] if len(other) else []
            lines += ["", said] if said else []
    return "\n".join([*lines, ""])


def verdict_reason(row) -> str:
    """Return the reason for no verdict, as the rest of a table's cell."""
    return f": {escaped(row.reason)}" if row.reason else ""


def rows_of(rows: pd.DataFrame) -> list[str]:
    """Return comparisons as a Markdown table."""
    lines = [
        "| claim | comparison | effect | 95 % interval | pairs or targets above 0 | verdict or note | rests on |",
        "|---|---|---:|---:|---:|---|---|",
    ]
    for row in rows.itertuples():
        effect, limits = texts_of(row)
        agreeing = f"{row.agreeing:.0f} of {row.cells:.0f}" if pd.notna(row.agreeing) else ""
        cells = [row.claim, escaped(row.comparison), effect, limits, agreeing, verdict_or_note(row), row.rests_on]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def texts_of(row) -> tuple[str, str]:
    """Return effect and interval of a comparison as text."""
    return f"{row.effect:+.1f}", f"{row.low:+.1f} to {row.high:+.1f}"


def verdict_or_note(row) -> str:
    """Return the verdict on a primary contrast with its p value, or C2's smallest margin."""
    if pd.notna(row.smallest_margin):
        return f"smallest margin: {row.smallest_margin:.1f} points"
    return f"{row.verdict} ({p_text(row)})" if pd.notna(row.p) else row.verdict


def p_text(row) -> str:
    """Return a corrected p value as text."""
    return "p < 0.001" if row.p < 0.001 else f"p = {row.p:.3f}"


def not_tested(rows: pd.DataFrame) -> str:
    """Return a sentence on a claim's comparisons that could not be made, empty if there are none."""
    untested = rows[rows["effect"].isna()]
    if untested.empty:
        return ""
    count = "Not tested" if len(untested) == len(rows) else f"{len(untested)} of {len(rows)} comparisons not tested"
    return f"{count}: {'; '.join(dict.fromkeys(untested['note']))}."


def escaped(text: str) -> str:
    """Escape text for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


WIDTH, INCH_PER_LINE = 8.0, 0.19
TEXT = 0.4  # left edge of comparisons, inches
AXES = (4.55, 1.4)  # left edge and width
COLUMNS = {"effect": 6.35, "95 % interval": 7.3, "p, Holm": 7.95}  # right edges


def draw(table: pd.DataFrame, notes: list[str], path) -> None:
    """Draw the verdicts with their primary contrasts, for the width of a page.

    Claims without a verdict by rule have their descriptive comparisons instead.
    """
    blocks = [(rows.iloc[0], shown(rows)) for _, rows in table.groupby("claim")]
    lines = 1 + sum(0.5 + sum(map(len, heading(first))) + sum(len(text) for text, _ in rows) for first, rows in blocks)
    figure = plt.figure(figsize=(WIDTH, INCH_PER_LINE * lines))
    axes = figure.add_axes((AXES[0] / WIDTH, 0, AXES[1] / WIDTH, 1))
    page = figure.add_axes((0, 0, 1, 1), sharey=axes, frameon=False)
    page.set(xlim=(0, WIDTH), ylim=(lines, 0))
    page.axis("off")
    for title, right in COLUMNS.items():
        page.text(right, 0.4, title, ha="right", va="center", fontsize=8, fontweight="bold")
    y = 0.5
    for first, rows in blocks:
        y += 0.5
        verdict, statement = heading(first)
        page.axhspan(y, y + len(verdict) + len(statement), color="0.93", zorder=0)
        colour = COLOURS.get(first.claim_verdict, GREY)
        for text, look in (
            *((line, {"fontweight": "bold", "color": colour}) for line in verdict),
            *((line, {}) for line in statement),
        ):
            page.text(0.05, y + 0.5, text, va="center", fontsize=8, **look)
            y += 1
        for text, row in rows:
            for line in text:
                page.text(TEXT, y + 0.5, line, va="center", fontsize=8)
                y += 1
            draw_comparison(axes, page, y - 0.5, row)
    axes.axvline(0, color="0.3", linewidth=1)
    axes.axis("on" if table["effect"].notna().any() else "off")
    axes.set_yticks([])
    axes.tick_params(labelsize=8)
    axes.set_xlabel("difference in UAR points", fontsize=8)
    below = "\n".join(textwrap.wrap(claims.EXPLANATION, 138))
    figure.text(0, -0.5 / figure.get_figheight(), below, va="top", fontsize=7.5)
    style.save(figure, notes, path, below=0.7 + 0.13 * (below.count("\n") + 1))


def heading(first) -> tuple[list[str], list[str]]:
    """Return the lines of a claim's verdict and of its statement."""
    return textwrap.wrap(f"{first.claim}  {verdict_text(first)}", 105), textwrap.wrap(first.statement, 120)


def shown(rows: pd.DataFrame) -> list[tuple[list[str], object]]:
    """Return the lines of text of each comparison to draw, and the comparison."""
    tested = rows[rows["effect"].notna()]
    drawn = tested[tested["primary"]] if tested["primary"].any() else tested
    return [(textwrap.wrap(row.comparison, 68), row) for row in drawn.itertuples()]


def draw_comparison(axes, page, y: float, row) -> None:
    """Draw a comparison's interval, and write its numbers."""
    colour = COLOURS.get(row.verdict, GREY)
    p = p_text(row).removeprefix("p ").removeprefix("= ") if pd.notna(row.p) else ""
    for right, text in zip(COLUMNS.values(), (*texts_of(row), p), strict=True):
        page.text(right, y, text.replace("-", "\N{MINUS SIGN}"), ha="right", va="center", fontsize=8)
    axes.plot([row.low, row.high], [y, y], color=colour, linewidth=1.4)
    axes.plot(row.effect, y, marker=MARKERS.get(row.verdict, "D"), color=colour, markersize=4.5)
