"""Model families. Each is a module with

- `build(settings, encoder)`: the model, a `torch.nn.Module` from padded frames and lengths to logits, whose
  `read_frames(path, utterances, wanted, device)` gives what the part of it that is never trained makes of utterances.

A rule names the family's module among the sources of its job, and `load` imports that one only.
"""

import importlib
from pathlib import Path
from types import ModuleType


def source(family: str) -> str:
    """The family's module, as a path from the repository's root."""
    return str(Path("workflow", "scripts", "ser", "families", f"{family.replace('-', '_')}.py"))


def load(family: str) -> ModuleType:
    """Import a family's module."""
    return importlib.import_module(f"ser.families.{family.replace('-', '_')}")
