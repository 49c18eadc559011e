"""Model families, one module each (CONTRIBUTING.md explains how to add one).

A family's module has `build(settings, encoder)`, which returns a `torch.nn.Module` from padded frames and lengths to
logits. The model's `read_frames(path, utterances, wanted, storage)` returns the input of its trained layers.

A rule names the family's module among the sources of its job; `of` imports only that module.
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


def source(family: str) -> str:
    """Return the path of a family's module, relative to the repository."""
    return f"workflow/scripts/ser/models/{_module(family)}.py"


def _module(family: str) -> str:
    return "frozen_head" if family == FROZEN else family.replace("-", "_")


def load(family: str) -> ModuleType:
    """Import a family's module."""
    return importlib.import_module(f"ser.models.{_module(family)}")


def of(model: Mapping) -> ModuleType:
    """Import the family's module for a model's entry in the configuration."""
    return load(name(model))
