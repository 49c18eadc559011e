"""Where the encoders are kept that models start from, and how large they are."""

import functools
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ser.core import reference_data
from ser.core.files import read_json
from ser.legacy.costs import Encoder

FILES = ("model.safetensors", "config.json", "preprocessor_config.json", "revision.json")  # its weights first
ASSUMED = Encoder(parameters=315_000_000, width=1024, layers=24, bytes=1_270_000_000)  # a large one


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


def encoding_name(model: Mapping) -> str:
    """A name for what a frozen encoder makes of a corpus."""
    return name(model) + ("-30s-context" if model.get("context") == "30s" else "")


def fetched(encoder: str) -> Encoder | None:
    """The size of an encoder that is in the working directory, by its folder's name; None before that."""
    path = f"resources/encoders/{encoder}/revision.json"
    try:
        status = os.stat(path)
        return _as_it_was(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError, KeyError, TypeError):
        return None


@functools.cache
def _as_it_was(path: str, changed: int, size: int) -> Encoder:
    """Of a file at a time: in a later state it is read again."""
    record = read_json(path)
    return Encoder(record["parameters"], record["width"], record["layers"])


def expected(entry: Mapping) -> tuple[Encoder, str]:
    """The size of an encoder that is not there yet, and, if it had to be assumed, in words what was.

    From the shipped facts of published checkpoints, or a local checkpoint's own `config.json`.
    """
    checkpoint = entry["checkpoint"]
    known = reference_data.read("checkpoints.yaml").get(checkpoint, {})
    if "parameters" in known:
        return Encoder(known["parameters"], known["width"], known["layers"], known.get("bytes", 0)), ""
    try:
        own = from_config(read_json(Path(checkpoint, "config.json")))
    except (OSError, ValueError):
        own = None
    if own:
        return own, ""
    assumed = replace(ASSUMED, bytes=0) if Path(checkpoint).is_dir() else ASSUMED
    return assumed, f"{checkpoint}: of unknown size, taken for a large encoder (315 M parameters)"


def from_config(config: Mapping) -> Encoder | None:
    """The size of the encoder that a checkpoint's `config.json` describes, without biases and norms; None if of none.

    Defaults are transformers' own: those of wav2vec 2.0 base and of Whisper tiny.
    """
    try:
        match config.get("model_type"):
            case "wav2vec2":
                width, layers = config.get("hidden_size", 768), config.get("num_hidden_layers", 12)
                inner = config.get("intermediate_size", 3072)
                channels = [1, *config.get("conv_dim", [512] * 7)]
                kernels = config.get("conv_kernel", [10, 3, 3, 3, 3, 2, 2])
                before = sum(a * b * kernel for a, b, kernel in zip(channels, channels[1:], kernels, strict=False))
                before += channels[-1] * width
                reach = config.get("num_conv_pos_embeddings", 128)
                before += width * width // config.get("num_conv_pos_embedding_groups", 16) * reach
            case "whisper":
                width, layers = config.get("d_model", 384), config.get("encoder_layers", 4)
                inner = config.get("encoder_ffn_dim", 1536)
                before = 3 * width * (config.get("num_mel_bins", 80) + width)
                before += width * config.get("max_source_positions", 1500)
            case _:
                return None
        return Encoder(int(before + layers * (4 * width * width + 2 * width * inner)), int(width), int(layers), 0)
    except (AttributeError, TypeError, ValueError, ZeroDivisionError):  # building the encoder will say what is wrong
        return None
