"""Paths of encoders and of their pooled vectors."""

from collections.abc import Mapping
from pathlib import Path

ENCODER_FILES = ("model.safetensors", "config.json", "preprocessor_config.json", "revision.json")


def encoder_name(model: Mapping) -> str:
    """Return the folder name of an encoder, shared by all models with its checkpoint.

    Args:
        model: an entry of `models` in the configuration, with a `checkpoint` and maybe a `revision`.
    """
    joined = "--".join(Path(model["checkpoint"]).parts).strip("-/")
    return f"{joined}-{model['revision'][:12]}" if "revision" in model else joined


def encoder_folder(model: Mapping) -> str:
    """Return the folder of a model's encoder, relative to the working directory."""
    return f"resources/encoders/{encoder_name(model)}"


def pooled_name(model: Mapping) -> str:
    """Return the file name, without suffix, of a frozen encoder's pooled vectors."""
    return encoder_name(model) + ("-30s-context" if model.get("context") == "30s" else "")
