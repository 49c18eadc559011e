"""Show which cells of the experiments' grids are done, running or missing, at any time of a run.

Usage: python workflow/scripts/progress.py [--directory D] [--configfile C ...] [--png FILE]

It reads files and Snakemake's marks of running jobs, locks nothing, and writes nothing but the PNG. What is done may be
out of date, after an edit: `snakemake -n` says what would be computed again.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from ser.core.errors import UserError
from ser.figures import style
from ser.legacy import grid, run_options
from ser.legacy.grid import Grid

NARROWEST, ROW = 0.85, 0.29  # inches: a cell's least width, its height
ABOVE, BETWEEN = 0.55, 0.3  # inches: a grid's title and header; between grids
LABEL_CHARACTER, MODEL_CHARACTER = 0.075, 0.067  # inches, at their sizes of type


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the grids, and draw them."""
    given = _parser().parse_args(arguments)
    directory, _, config = run_options.read(given)
    png = (given.png or directory / "results" / "progress.png").resolve()
    marks = grid.read_marks(directory)
    states = grid.read_states(config, directory, marks)
    grids = grid.grids(config, states)
    running = [training for training, state in states.trainings.items() if state == grid.RUNNING]
    epochs = {training: grid.epochs_done(training, directory, marks) for training in running}
    print(grid.report(grids, states, epochs, marks))
    if grids:
        draw(grids, grid.totals(states), style.footnotes(config["label"], {}), png)
        print(f"\ndrawn: {png}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    run_options.add_options(parser)
    parser.add_argument("--png", type=Path, help="where to draw (default: results/progress.png in the directory)")
    return parser


def draw(grids: Sequence[Grid], totals: str, notes: list[str], path) -> None:
    """Heat maps of the grids in two columns, the darker the more repetitions are done, running ones hatched."""
    style.set_style()
    columns = in_columns(grids)
    labels = [max(_label_width(one) for one in column) for column in columns]
    widths = [label + max(map(_width, column)) for label, column in zip(labels, columns, strict=True)]
    width, height = sum(widths) + BETWEEN * (len(columns) - 1), max(sum(map(_height, column)) for column in columns)
    figure = plt.figure(figsize=(width, height))
    left = 0.0
    for label, column_width, column in zip(labels, widths, columns, strict=True):
        bottom = height
        for one in column:
            bottom -= _height(one)
            box = (left + label, bottom + BETWEEN, _width(one), ROW * len(one.rows))
            draw_grid(figure.add_axes([box[i] / (width, height)[i % 2] for i in range(4)]), one)
        left += column_width + BETWEEN
    words = "Repetitions done / all, the darker the more. Hatched, and + so many: being trained or predicted."
    figure.text(0, 1, f"{words}\n{totals}", va="bottom", fontsize=10, linespacing=1.4)
    style.add_footnotes(figure, notes)
    style.save(figure, path)


def in_columns(grids: Sequence[Grid]) -> list[list[Grid]]:
    """Each grid, in order, in the shorter of two columns."""
    columns: list[list[Grid]] = [[], []]
    for one in grids:
        min(columns, key=lambda column: sum(map(_height, column))).append(one)
    return [column for column in columns if column]


def _height(one: Grid) -> float:
    return ABOVE + ROW * len(one.rows) + BETWEEN


def _width(one: Grid) -> float:
    return len(one.models) * max(NARROWEST, MODEL_CHARACTER * max(map(len, one.models)) + 0.1)


def _label_width(one: Grid) -> float:
    return LABEL_CHARACTER * max(len(_label(one, row)) for row in one.rows) + 0.15


def _label(one: Grid, row: Sequence[str]) -> str:
    source, target, *varied = row
    units = [f"{value} shots" if key == "shots" else value for key, value in zip(one.header[2:], varied, strict=True)]
    return ", ".join([f"{source} to {target}", *units])


def draw_grid(axes, one: Grid) -> None:
    """One heat map: a colour map of one hue, whose lightness alone tells its values."""
    fractions = [[cell.done / cell.total for cell in cells] for cells in one.cells]
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    for y, cells in enumerate(one.cells):
        for x, cell in enumerate(cells):
            dark = cell.done / cell.total > 0.85
            style = {"ha": "center", "va": "center", "fontsize": 9, "color": "white" if dark else "black"}
            if cell.running:
                axes.add_patch(
                    Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, hatch="////", edgecolor="0.45", linewidth=0)
                )
                style |= {"color": "black", "fontweight": "bold"}
                style["bbox"] = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
            axes.text(x, y, str(cell), **style)
    axes.set_title(one.experiment, loc="left")
    axes.set_xticks(range(len(one.models)), one.models, fontsize=8)
    axes.set_yticks(range(len(one.rows)), [_label(one, row) for row in one.rows], fontsize=9)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.set_xticks([x + 0.5 for x in range(len(one.models) - 1)], minor=True)
    axes.set_yticks([y + 0.5 for y in range(len(one.rows) - 1)], minor=True)
    axes.grid(which="minor", color="0.75", linewidth=0.6)
    axes.tick_params(which="minor", length=0)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"progress: {error}")
