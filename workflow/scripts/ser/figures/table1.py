"""Table I: models, their sizes and pre-training data."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ser.core import files
from ser.core.encoder_paths import encoder_name
from ser.figures import style
from ser.models import pretraining_data

SEEN = {"yes": "\N{CHECK MARK}", "no": "\N{BALLOT X}", "unknown": "?", "": ""}


def make(inputs, outputs, settings: dict) -> None:
    """Write Table I and draw it."""
    runs = [files.read_json(path) for path in inputs.runs]
    encoders = {Path(path).parent.name: files.read_json(path) for path in inputs.revisions}
    languages = settings["languages"]
    table = rows(settings["models"], settings["order"], runs, encoders, languages)
    notes = style.footnotes(settings["label"], {})
    style.write_drawn(table, notes, outputs.csv)
    draw(table, languages, notes, outputs.png)


def columns(languages: Sequence[str]) -> list[str]:
    """Return the columns of Table I, with one for each language."""
    return [
        *("model", "title", "family", "checkpoint", "revision", "tuning", "pretraining_data", "hours", "languages"),
        *(f"seen_{language}" for language in languages),
        *("parameters", "encoder_parameters", "trained_parameters", "hidden_size", "layers", "dropout"),
        *("fine_tuned_on", "licence", "source"),
    ]


def rows(
    models: Mapping[str, dict],
    order: Sequence[str],
    runs: Sequence[dict],
    encoders: Mapping[str, dict],
    languages: Sequence[str],
) -> pd.DataFrame:
    """Return one row per model, in configuration order.

    Args:
        models: model entries of the configuration.
        runs: one `run.json` per model, with its numbers of parameters: total, of the encoder as published, and trained.
        encoders: name of an encoder's folder -> `revision.json`, with its hidden size, layers and dropout.
        languages: languages of the corpora. Their columns say whether pre-training included them: `yes`, `no`,
            `unknown`, or empty without pre-training.
    """
    parameters = {run["model"]: run["parameters"] for run in runs}
    table = []
    for name in order:
        entry = models[name]
        known = pretraining_data.facts(entry)
        encoder = encoders.get(encoder_name(entry), {}) if "checkpoint" in entry else {}
        table.append(
            {
                "model": name,
                "title": entry["title"],
                "family": entry["family"],
                "checkpoint": _checkpoint(entry),
                "revision": entry.get("revision", ""),
                "tuning": entry["tuning"]["method"] if "tuning" in entry else "full",
                "pretraining_data": known.get("data", "unknown"),
                "hours": known.get("hours"),
                "languages": known.get("languages", ""),
                **{
                    f"seen_{language}": pretraining_data.seen(entry, language) if known.get("data") != "none" else ""
                    for language in languages
                },
                "parameters": parameters[name]["total"],
                "encoder_parameters": parameters[name]["encoder"],
                "trained_parameters": parameters[name]["trained"],
                "hidden_size": encoder.get("width"),
                "layers": encoder.get("layers"),
                "dropout": ", ".join(f"{probability:g}" for probability in encoder.get("dropout", [])),
                "fine_tuned_on": "" if known.get("data") == "none" else _fine_tuned_on(known, encoder),
                "licence": known.get("licence", ""),
                "source": known.get("source", ""),
            }
        )
    whole = dict.fromkeys(("hours", "hidden_size", "layers"), "Int64")
    return pd.DataFrame(table, columns=columns(languages)).astype(whole)


def _fine_tuned_on(known: Mapping, encoder: Mapping) -> str:
    """Return the labels that the checkpoint was fine-tuned on before this workflow, and their corpus if known."""
    labels = ", ".join(encoder.get("labels", []))
    corpus = f"emotion labels of {known['emotion_labels']}" if "emotion_labels" in known else "labels" if labels else ""
    return f"{corpus} ({labels})" if labels else corpus


def _checkpoint(entry: Mapping) -> str:
    return f"local copy of {entry['copy_of']}" if "copy_of" in entry else entry.get("checkpoint", "")


def draw(table: pd.DataFrame, languages: list[str], notes: list[str], path) -> None:
    """Draw Table I."""
    cells = [
        [
            textwrap.fill(row.title, 22),
            textwrap.fill(row.checkpoint or "none", 38),
            textwrap.fill("; fine-tuned on ".join(filter(None, (row.pretraining_data, row.fine_tuned_on))), 34),
            f"{row.hours:,}" if pd.notna(row.hours) else "",
            row.languages,
            *(SEEN[table.loc[row.Index, f"seen_{language}"]] for language in languages),
            f"{row.layers} x {row.hidden_size}" if pd.notna(row.layers) else "",
            row.dropout,
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
        *(f"{language}\nseen" for language in languages),
        "Layers x\nhidden size",
        "Dropout",
        "Parameters\n(million)",
        "of which\nencoder",
        "of which\ntrained",
    ]
    language_widths = [max(0.8, 0.1 * len(language)) for language in languages]
    widths = [1.8, 3.0, 2.7, 0.8, 1.0, *language_widths, 1.1, 0.8, 1.1, 0.9, 0.9]
    figure = style.draw_table(cells, header, widths, row_height=max(0.4, 0.19 * lines))
    style.save(figure, notes, path)
