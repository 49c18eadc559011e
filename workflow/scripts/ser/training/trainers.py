"""Choice of the module that trains a model: the training loop, or one of its family's own.

Each has `fine_tune`, with the arguments of `loop.fine_tune`. As with families, a rule names the module among the
sources of its job, so that an edit of one trainer repeats no training run of another.
"""

import importlib
from collections.abc import Mapping
from types import ModuleType

OWN = ("svm",)  # families with a trainer of their own, of the same name


def _module(model: Mapping) -> str:
    return model["family"] if model["family"] in OWN else "loop"


def source(model: Mapping) -> str:
    """Return the path of the module, relative to the repository."""
    return f"workflow/scripts/ser/training/{_module(model)}.py"


def load(model: Mapping) -> ModuleType:
    """Import the module for a model's entry in the configuration."""
    return importlib.import_module(f"ser.training.{_module(model)}")
