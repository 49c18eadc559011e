"""Model families, one module each (CONTRIBUTING.md explains how to add one).

A model's module has `build(settings, encoder)`, which returns a `torch.nn.Module` from padded frames and lengths to
logits. The model's `read_frames(path, utterances, wanted, storage)` returns the input of its trained layers.

All models with an encoder share the module `encoder_classifier`, or `frozen_head` if it is frozen. The module of the
encoder's family has `FAMILY`, an `EncoderFamily`.

A rule names these modules among the sources of its job: `of` and `encoder` import by a computed name.
"""

import importlib
from collections.abc import Mapping
from types import ModuleType

WITHOUT_ENCODER = ("cnn-lstm", "svm")
FROZEN = "frozen"  # family of all frozen encoders: a classification head on vectors that are computed once


def name(model: Mapping) -> str:
    """Return the family of a model's entry, `frozen` for every frozen encoder."""
    return FROZEN if model.get("tuning", {}).get("method") == "frozen" else model["family"]


def has_encoder(model: Mapping) -> bool:
    """Return whether a model's family starts from an encoder."""
    return model["family"] not in WITHOUT_ENCODER


def step(model: Mapping) -> str:
    """Return what the steps of a model's training history are: epochs, or values of an SVM's C."""
    return "value of C" if model["family"] == "svm" else "epoch"


def sources(model: Mapping) -> list[str]:
    """Return the paths of the modules that build a model, relative to the repository."""
    return [source(_module(model)), *([source(model["family"])] if _module(model) == "encoder_classifier" else [])]


def source(family: str) -> str:
    """Return the path of a family's module, relative to the repository."""
    return f"workflow/scripts/ser/models/{family.replace('-', '_')}.py"


def encoder(family: str):
    """Return a family of encoders, an `EncoderFamily`."""
    return _import(family).FAMILY


def of(model: Mapping) -> ModuleType:
    """Import the module that builds a model's entry in the configuration."""
    return _import(_module(model))


def _module(model: Mapping) -> str:
    if name(model) == FROZEN:
        return "frozen_head"
    return "encoder_classifier" if has_encoder(model) else model["family"]


def _import(module: str) -> ModuleType:
    return importlib.import_module(f"ser.models.{module.replace('-', '_')}")
