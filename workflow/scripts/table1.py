"""Write and draw Table I."""

import textwrap

import pandas as pd

from ser import drawing, files, job, table1

MET = {"yes": "\N{CHECK MARK}", "no": "\N{BALLOT X}", "unknown": "?", "": ""}


def main(snakemake):
    settings = snakemake.params.settings
    runs = [files.read_json(path) for path in snakemake.input.runs]
    encoders = {record["checkpoint"]: record for record in map(files.read_json, snakemake.input.revisions)}
    languages = settings["languages"]
    table = table1.rows(settings["models"], settings["order"], settings["titles"], runs, encoders, languages)
    notes = drawing.footnotes(settings["label"], {})
    with files.written_whole(snakemake.output.csv) as temporary:
        table.assign(note="; ".join(notes)).to_csv(temporary, index=False)
    draw(table, languages, notes, snakemake.output.png)


def draw(table: pd.DataFrame, languages: list[str], notes: list[str], path) -> None:
    """Model, checkpoint, pre-training and size."""
    cells = [
        [
            textwrap.fill(row.title, 22),
            textwrap.fill(row.checkpoint or "none", 38),
            textwrap.fill(row.pretraining_data, 34),
            f"{row.hours:,}" if pd.notna(row.hours) else "",
            row.languages,
            *(MET[table.loc[row.Index, f"met_{language}"]] for language in languages),
            f"{row.layers} x {row.hidden_size}" if pd.notna(row.layers) else "",
            f"{row.parameters / 1e6:.2f}",
            f"{row.encoder_parameters / 1e6:.2f}" if row.encoder_parameters else "",
            f"{row.trained_parameters / 1e6:.2f}",
        ]
        for row in table.itertuples()
    ]
    lines = max(cell.count("\n") + 1 for row in cells for cell in row)
    header = [
        "Model",
        "Checkpoint",
        "Pre-training data",
        "Hours",
        "Languages",
        *(f"{language}\nmet" for language in languages),
        "Layers x\nhidden size",
        "Parameters\n(million)",
        "of which\nencoder",
        "of which\ntrained",
    ]
    drawing.set_style()
    language_widths = [max(0.8, 0.1 * len(language)) for language in languages]
    widths = [1.8, 3.0, 2.7, 0.8, 1.0, *language_widths, 1.1, 1.1, 0.9, 0.9]
    figure = drawing.draw_table(cells, header, widths, row_height=max(0.4, 0.19 * lines))
    drawing.add_footnotes(figure, notes)
    drawing.save(figure, path)


if __name__ == "__main__":
    job.run(snakemake, main)
