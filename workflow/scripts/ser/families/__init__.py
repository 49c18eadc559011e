"""Model families. Each is a module with

- `build(settings)`: the model, a `torch.nn.Module` from padded frames and lengths to logits;
- `open_frames(path, utterances)`: the front end's frames of every utterance.

A rule names the family's module among the sources of its job, and `load` imports that one only.
"""

import importlib
from pathlib import Path
from types import ModuleType

from ser.code import ROOT
from ser.errors import UserError


def sources(family: str) -> list[str]:
    """The family's module, as a path from the repository's root; empty if this version has none."""
    path = Path("workflow", "scripts", "ser", "families", f"{family.replace('-', '_')}.py")
    return [str(path)] if (ROOT / path).is_file() else []


def load(family: str) -> ModuleType:
    """Import a family's module. Raises `UserError` if this version has none."""
    try:
        return importlib.import_module(f"ser.families.{family.replace('-', '_')}")
    except ModuleNotFoundError as error:
        raise UserError(f"models of family {family!r} cannot be trained by this version") from error
