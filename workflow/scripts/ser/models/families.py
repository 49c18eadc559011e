"""Model families, by the name of their module (how to add one: CONTRIBUTING.md). Each is a module with

- `build(settings, encoder)`: the model, a `torch.nn.Module` from padded frames and lengths to logits, whose
  `read_frames(path, utterances, wanted, storage)` gives what the part of it that is never trained makes of utterances.

A rule names the family's module among the sources of its job, and `of` imports that one only.
"""

import importlib
from collections.abc import Mapping
from types import ModuleType

FROZEN = "frozen"  # the family of every encoder that is not trained: a head on what the encoder gave, once


def name(model: Mapping) -> str:
    """The family that a model's entry is run as."""
    return FROZEN if model.get("tuning", {}).get("method") == "frozen" else model["family"]


def source(family: str) -> str:
    """A family's module, as a path from the repository's root."""
    return f"workflow/scripts/ser/models/{_module(family)}.py"


def _module(family: str) -> str:
    return "frozen_head" if family == FROZEN else family.replace("-", "_")


def load(family: str) -> ModuleType:
    """Import a family's module."""
    return importlib.import_module(f"ser.models.{_module(family)}")


def of(model: Mapping) -> ModuleType:
    """Import the module that a model's entry is run by."""
    return load(name(model))
