"""Where the encoders are kept that models start from."""

from collections.abc import Mapping
from pathlib import Path

FILES = ("model.safetensors", "config.json", "preprocessor_config.json", "revision.json")  # its weights first


def name(model: Mapping) -> str:
    """A folder name for a checkpoint at a revision, shared by all models that start from it.

    Args:
        model: an entry of the configuration, with a `checkpoint`.
    """
    joined = "--".join(Path(model["checkpoint"]).parts).strip("-/")
    return f"{joined}-{model['revision'][:12]}" if "revision" in model else joined


def folder(model: Mapping) -> str:
    """The folder of a model's encoder, relative to the working directory."""
    return f"resources/encoders/{name(model)}"
