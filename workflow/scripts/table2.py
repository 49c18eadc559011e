"""Write and draw Table II."""

import textwrap

import pandas as pd

from ser import drawing, files, job, table2
from ser.summaries import read_scores


def main(snakemake):
    settings = snakemake.params.settings
    notes = drawing.archive_notes(snakemake.input.archives)
    scores = read_scores(snakemake.input.scores, settings["scores"])
    detail = table2.detail(scores, settings["experiment"], notes, settings["label"])
    for path, table in ((snakemake.output.csv, table2.wide(detail)), (snakemake.output.detail, detail)):
        with files.written_whole(path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.4f")
    texts = settings["titles"], drawing.footnotes(settings["label"], notes)
    for path, form in ((snakemake.output.markdown, table2.markdown), (snakemake.output.latex, table2.latex)):
        with files.written_whole(path) as temporary:
            temporary.write_text(form(detail, *texts), encoding="utf-8")
    draw(detail, settings["titles"], drawing.footnotes(settings["label"], notes), snakemake.output.png)


def draw(detail: pd.DataFrame, titles: dict[str, str], notes: list[str], path) -> None:
    """Our mean with its 95 % interval, and below it the paper's value and the difference, for a column's width."""
    models = list(detail["model"].unique())
    cells, colours, previous = [], [], None
    largest = max(1.0, detail["difference"].abs().max(skipna=True)) if detail["paper"].notna().any() else 1.0
    for (source, target), pair in detail.groupby(["source", "target"], sort=False):
        cells.append([source if source != previous else "", target])
        colours.append(["white", "white"])
        previous = source
        for row in pair.itertuples():
            cells[-1].append(text_of(row))
            colours[-1].append(colour_of(row.difference, largest))
    drawing.set_style()
    header = ["Source", "Target", *(textwrap.fill(titles[model], 12) for model in models)]
    has_paper = detail["paper"].notna().any()
    figure = drawing.draw_table(
        cells, header, widths=[0.8, 0.8, *[0.95] * len(models)], colours=colours, row_height=0.4 if has_paper else 0.3
    )
    title = table2.caption(detail).partition(";")[0]
    if has_paper:
        title += "\nbelow, the paper's value (difference: blue higher, orange lower)"
    figure.axes[0].set_title(title, fontsize=9, pad=8)
    drawing.add_footnotes(figure, notes)
    drawing.save(figure, path)


def text_of(row) -> str:
    """One cell's text, the paper's value and the difference below ours; CSV, Markdown and LaTeX have the decimals."""
    ours = table2.text_of(row, decimals=1)
    if pd.isna(row.paper):
        return ours
    difference = f" ({row.difference:+.1f})" if pd.notna(row.difference) else ""
    return f"{ours}\n{row.paper:.1f}{difference}".replace("-", "\N{MINUS SIGN}")


def colour_of(difference: float, largest: float):
    """Blue above the paper's value, orange below, the stronger the further."""
    if pd.isna(difference):
        return "white"
    strength = 0.6 * min(1.0, abs(difference) / largest)
    blue, orange = (0.004, 0.451, 0.698), (0.871, 0.561, 0.020)
    base = blue if difference > 0 else orange
    return tuple(1 - strength * (1 - channel) for channel in base)


if __name__ == "__main__":
    job.run(snakemake, main)
