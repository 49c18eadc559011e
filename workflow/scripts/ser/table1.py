"""Table I: the models, their sizes, and what they were pre-trained on."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ser import pretraining


def columns(languages: Sequence[str]) -> list[str]:
    """Columns of Table I, one of them for each target language."""
    return [
        *("model", "title", "family", "checkpoint", "revision", "tuning", "pretraining_data", "hours", "languages"),
        *(f"met_{language}" for language in languages),
        *("parameters", "encoder_parameters", "trained_parameters", "hidden_size", "layers", "source"),
    ]


def rows(
    models: Mapping[str, dict],
    order: Sequence[str],
    titles: Mapping[str, str],
    runs: Sequence[dict],
    encoders: Mapping[str, dict],
    languages: Sequence[str],
) -> pd.DataFrame:
    """One row a model, in the configuration's order.

    Args:
        models: entries of the configuration.
        runs: a `run.json` of every model, for the parameters counted in the model as it was built from its
            checkpoint: all of them, the encoder's as published, and those that training changes.
        encoders: checkpoint -> its `revision.json`, for the transformer's hidden size and layers.
        languages: of the targets: whether pre-training met them, `yes`, `no` or `unknown`, and blank without one.
    """
    parameters = {run["model"]: run["parameters"] for run in runs}
    table = []
    for name in order:
        entry = models[name]
        known = pretraining.facts(entry)
        encoder = encoders.get(entry.get("checkpoint"), {})
        table.append(
            {
                "model": name,
                "title": titles[name],
                "family": entry["family"],
                "checkpoint": entry.get("checkpoint", ""),
                "revision": entry.get("revision", ""),
                "tuning": entry["tuning"]["method"] if "tuning" in entry else "full",
                "pretraining_data": known.get("data", "unknown"),
                "hours": known.get("hours"),
                "languages": known.get("languages", ""),
                **{
                    f"met_{language}": pretraining.met(entry, language) if known.get("data") != "none" else ""
                    for language in languages
                },
                "parameters": parameters[name]["total"],
                "encoder_parameters": parameters[name]["encoder"],
                "trained_parameters": parameters[name]["trained"],
                "hidden_size": encoder.get("width"),
                "layers": encoder.get("layers"),
                "source": known.get("source", ""),
            }
        )
    whole = dict.fromkeys(("hours", "hidden_size", "layers"), "Int64")
    return pd.DataFrame(table, columns=columns(languages)).astype(whole)
