"""Table of the gap: training within a language, zero-shot from others, and few-shot, on the same test speakers."""

import textwrap
from collections.abc import Mapping, Sequence

import pandas as pd

from ser.core import files
from ser.evaluation import confusions
from ser.evaluation.gaps import ALL_OTHERS, BEST, CLOSED, GAP_TO_BEST, GAP_TO_MEAN, MEAN, WITHIN_LEVEL, gaps
from ser.figures import style

HEADINGS = {
    WITHIN_LEVEL: "Within",
    BEST: "Best source",
    MEAN: "Mean of sources",
    ALL_OTHERS: "All other languages",
    GAP_TO_BEST: "Gap to best",
    GAP_TO_MEAN: "Gap to mean",
}
CAPTION = (
    "UAR (%) on the target's test speakers after training within the target, on the source that is best for it, on each"
    " single source (mean), and on all corpora of other languages; gaps in points; share of the gap (%) that few-shot"
    " examples close (a dash: no such gap was shown)"
)


def make(inputs, outputs, settings: dict) -> None:
    """Write the gaps as CSV and Markdown, and draw them."""
    notes = style.notes(settings, inputs)
    parts = {name: settings[name] for name in ("models", "single_sources", "all_others", "few_shot")}
    found = gaps(confusions.read(inputs.confusions), **parts)
    style.write_drawn(found, notes, outputs.csv)
    table = texts(found, settings["titles"])
    caption = CAPTION + (f", from {settings['few_shot']['source']}" if settings["few_shot"] else "")
    files.write_text(outputs.markdown, style.markdown_table(table, f"{caption}.", notes))
    draw(table, caption, notes, outputs.png)


def texts(gaps: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """Return the gaps as text, one row per target and model."""
    rows = []
    for (target, model), own in gaps.groupby(["target", "model"], sort=False):
        row = {"Target": target, "Model": titles[model]}
        row |= {heading: "" for quantity, heading in HEADINGS.items() if (gaps["quantity"] == quantity).any()}
        for cell in own.itertuples():
            heading = HEADINGS.get(cell.quantity) or closed_heading(cell.shots)
            row[heading] = text_of(cell) + (f" ({cell.source})" if cell.quantity == BEST else "")
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def closed_heading(shots: int) -> str:
    """Return the heading of the share of the gap that a number of few-shot examples close."""
    return f"Closed by {shots} examples"


def text_of(cell) -> str:
    """Return a value and, with enough seeds, its interval: half of a level's, else the limits, which are not symmetric.

    A dash if the gap is too uncertain to be divided by.
    """
    if pd.isna(cell.value):
        return "\N{EN DASH}"
    if cell.seeds < style.MIN_SEEDS or pd.isna(cell.high):
        return f"{cell.value:.1f}"
    if cell.quantity in (GAP_TO_BEST, GAP_TO_MEAN, CLOSED):
        decimals = 0 if cell.quantity == CLOSED else 1
        text = f"{cell.value:.{decimals}f} [{cell.low:.{decimals}f}, {cell.high:.{decimals}f}]"
        return text.replace("-", "\N{MINUS SIGN}")
    return f"{cell.value:.1f} \N{PLUS-MINUS SIGN} {(cell.high - cell.low) / 2:.1f}"


def draw(table: pd.DataFrame, caption: str, notes: Sequence[str], path) -> None:
    """Draw the table."""
    cells, previous = [], None
    for row in table.to_numpy().tolist():
        cells.append([row[0] if row[0] != previous else "", textwrap.fill(row[1], 20), *map(_two_lines, row[2:])])
        previous = row[0]
    widths = [0.85, 1.65, *[1.05] * (table.shape[1] - 2)]
    header = [textwrap.fill(heading, 11) for heading in table.columns]
    figure = style.draw_table(cells, header, widths, row_height=0.4)
    figure.axes[0].set_title(
        textwrap.fill(
            f"{caption}; \N{PLUS-MINUS SIGN} and brackets: 95 % confidence intervals.", int(15 * sum(widths))
        ),
        fontsize=9,
        fontweight="normal",
        pad=8,
    )
    style.save(figure, notes, path)


def _two_lines(text: str) -> str:
    """Break before a source or an interval in brackets."""
    return text.replace(" (", "\n(").replace(" [", "\n[")
