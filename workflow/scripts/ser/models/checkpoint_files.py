"""Files of a checkpoint in Hugging Face format."""

import json
from collections.abc import Collection
from pathlib import Path

from ser.core.errors import UserError
from ser.core.files import read_json

CONFIG = "config.json"
# Settings of the feature extractor; a processor that transformers 5 saved has only the second file.
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
SETTINGS = (CONFIG, *PREPROCESSORS)
# in the order in which transformers looks for them
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


def read_preprocessor(folder: Path) -> dict:
    """Return the settings of the feature extractor. Raises `UserError` if a checkpoint has none."""
    found = [name for name in PREPROCESSORS if (folder / name).exists()]
    if not found:
        raise UserError(f"{folder} has no {' or '.join(PREPROCESSORS)}: it is not a complete checkpoint")
    settings = read_json(folder / found[0])
    return settings.get("feature_extractor", settings)


def weight_files(folder: Path, names: Collection[str]) -> list[str]:
    """Return the files of weights that transformers would read, none if there are no weights.

    Args:
        folder: holds the index, if the weights are in several files.
        names: names of all files of the checkpoint.

    Raises `UserError` if the index cannot be read.
    """
    chosen = next((name for name in WEIGHTS if name in names), None)
    if chosen is None or not chosen.endswith(".index.json"):
        return [chosen] if chosen else []
    try:
        return sorted(set(json.loads((folder / chosen).read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder / chosen} is not an index of weights: copy or download it again") from error
