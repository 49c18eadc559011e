"""Import transformers and peft without what no job here uses, in each of hundreds of short jobs.

As they start, both import PyTorch's compiler (and sympy behind it), its distributed tensors and scipy.optimize,
about 2.5 of 6.3 CPU seconds (docs/benchmarks.md). They need no more of these than names for decorators and base
classes, which placeholders give them.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from unittest.mock import patch

import torch

UNUSED = ("torch._dynamo", "scipy.optimize")


@contextmanager
def lean_imports() -> Iterator[None]:
    """Within it, modules that are imported find placeholders for the compiler and no distributed training.

    After it, both can be imported as usual by whoever wants them. A module that was imported before is left as it is.
    """
    finder = _Placeholders()
    sys.meta_path.insert(0, finder)
    try:
        with patch.object(torch.distributed, "is_available", lambda: False):
            yield
    finally:
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
