"""Table I: the models, their sizes, and what they were pre-trained on."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import yaml

CHECKPOINTS = Path(__file__).resolve().parents[3] / "resources" / "checkpoints.yaml"
COLUMNS = (
    "model",
    "title",
    "family",
    "checkpoint",
    "revision",
    "tuning",
    "pretraining_data",
    "hours",
    "languages",
    "parameters",
    "encoder_parameters",
    "trained_parameters",
    "source",
)


def rows(models: dict[str, dict], order: Sequence[str], titles: dict[str, str], runs: Sequence[dict]) -> pd.DataFrame:
    """One row a model, in the configuration's order.

    Args:
        models: entries of the configuration.
        runs: a `run.json` of every model, for the parameters counted in the model as it was built from its
            checkpoint: all of them, the encoder's as published, and those that training changes.
    """
    facts = yaml.safe_load(CHECKPOINTS.read_text(encoding="utf-8"))
    parameters = {run["model"]: run["parameters"] for run in runs}
    table = []
    for name in order:
        entry = models[name]
        pretrained = "checkpoint" in entry and entry.get("weights", "pretrained") == "pretrained"
        known = facts.get(entry.get("checkpoint"), {}) if pretrained else {"data": "none"}
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
                "parameters": parameters[name]["total"],
                "encoder_parameters": parameters[name]["encoder"],
                "trained_parameters": parameters[name]["trained"],
                "source": known.get("source", ""),
            }
        )
    return pd.DataFrame(table, columns=list(COLUMNS)).astype({"hours": "Int64"})
