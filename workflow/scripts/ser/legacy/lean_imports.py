"""Import torch, transformers and peft without what no job here uses, in each of hundreds of short jobs.

As they start, they import PyTorch's compiler (sympy behind it), its distributed tensors, shape functions for tensors
without data, and scipy.optimize, of which they need no more than names for decorators; and transformers reads the
source of all its models, twice, for a table of their names. Together that is more than half of the
CPU seconds before a first step (docs/benchmarks.md).

Torch itself is lean only where this module is imported before it.
"""

import gc
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType
from unittest.mock import patch

UNUSED = ("torch._dynamo", "torch._meta_registrations", "scipy.optimize")
USED_MODELS = ("wav2vec2", "whisper", "auto", "bloom")  # the last two by peft


@contextmanager
def lean_imports() -> Iterator[None]:
    """Within it, transformers and peft are imported without all that.

    After it, what was left out can be imported as usual by whoever wants it. `from transformers import Name` then knows
    the models used here only; others still have their full paths. What was imported before is left as it is.
    """
    with (
        _placeholders(),
        patch.object(torch.distributed, "is_available", lambda: False),
        patch.object(os, "scandir", _scan_used_models),
    ):
        yield


@contextmanager
def _placeholders() -> Iterator[None]:
    finder, collects = _Placeholders(), gc.isenabled()
    sys.meta_path.insert(0, finder)
    gc.disable()  # modules are not garbage, and looking for some among them takes a tenth of the time
    try:
        yield
    finally:
        if collects:
            gc.enable()
        sys.meta_path.remove(finder)
        for name in finder.given:
            del sys.modules[name]
            parent, _, child = name.rpartition(".")
            vars(sys.modules.get(parent, finder)).pop(child, None)


class _Placeholders(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self):
        self.given = []

    def find_spec(self, name, path, target=None):
        if name in UNUSED or name.startswith(tuple(f"{unused}." for unused in UNUSED)):
            self.given.append(name)
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return _Placeholder(spec.name)

    def exec_module(self, module):
        pass


class _Placeholder(ModuleType):
    """A module in which every name is a decorator that changes nothing."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _unchanged


def _unchanged(function=None, *_, **__):
    return function if callable(function) else _unchanged


_scandir = os.scandir


def _scan_used_models(path="."):
    """`os.scandir`, but of transformers' models as if only those in use were installed."""
    entries = _scandir(path)
    if not str(path).endswith(os.path.join("transformers", "models")):
        return entries
    with entries:
        return nullcontext([entry for entry in entries if not entry.is_dir() or entry.name in USED_MODELS])


class _BeforeTheCompiler(importlib.abc.MetaPathFinder):
    """Whoever does import the compiler gets what it builds on first, in the order that torch has it."""

    def find_spec(self, name, path, target=None):
        if name == "torch._dynamo":
            sys.meta_path.remove(self)
            importlib.import_module("torch._meta_registrations")


with _placeholders():
    import torch

sys.meta_path.insert(0, _BeforeTheCompiler())
