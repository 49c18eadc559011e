"""Files of a checkpoint in Hugging Face format."""

import json
from collections.abc import Collection
from pathlib import Path

from ser.core.errors import UserError

SETTINGS = ("config.json", "preprocessor_config.json")
# in the order in which transformers looks for them
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


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
