"""Hashes of what a job runs and reads that Snakemake does not track: imported modules, and files of a user's folder.

The hash of a module is taken of its parsed code. Comments, docstrings, formatting, logged messages and the messages of
raised errors do not count, since they cannot change a result. Modules of plumbing do not count at all. The hash is part
of each rule's param (`settings.uses`), by which Snakemake decides whether a job runs again.
"""

import ast
import functools
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from ser.core.paths import ROOT, SCRIPTS

PLUMBING = {  # modules that decide how a job starts, fails and reports, and where it runs, but not what it computes
    SCRIPTS / "ser" / "core" / "errors.py",
    SCRIPTS / "ser" / "snakemake_support" / "script.py",
    SCRIPTS / "ser" / "training" / "device.py",
}
LOGGERS = {"log", "logging"}


@functools.cache
def code_hash(*sources: str) -> str:
    """Return a hash of the given files, relative to the repository, and of every project module that they import.

    A module that is loaded by a computed name cannot be seen here: the rule that chooses it names it as a source.
    """
    digest = hashlib.sha256()
    for path in files_behind(*sources):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + _content(path)[1])
    return digest.hexdigest()[:16]


def files_behind(*sources: str) -> list[Path]:
    """Return the given files, relative to the repository, and every module behind their imports, without plumbing."""
    pending = [ROOT / source for source in sources]
    found: set[Path] = set()
    while pending:
        source = pending.pop()
        if source not in found | PLUMBING:
            found.add(source)
            pending.extend(_content(source)[0])
    return sorted(found)


@functools.cache
def _content(path: Path) -> tuple[frozenset[Path], bytes]:
    """Return the project modules that a file imports, and the digest of what counts of it: of a data file all bytes."""
    content = path.read_bytes()
    if path.suffix != ".py":
        return frozenset(), hashlib.sha256(content).digest()
    tree = ast.parse(content, str(path))
    modules = imported_modules(tree)
    return frozenset(modules), hashlib.sha256(ast.unparse(_WithoutProse().visit(tree)).encode()).digest()


def imported_modules(tree: ast.AST) -> set[Path]:
    """Return the project's own modules that code imports by name, at any depth."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    found = set()
    for name in names:
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            stem = SCRIPTS.joinpath(*parts[:length])
            found.update(path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file())
    return found


class _WithoutProse(ast.NodeTransformer):
    """Code without what only people read."""

    def visit_Expr(self, node: ast.Expr):
        """Drop docstrings and calls of a logger."""
        value = node.value
        is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
        is_log = (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Attribute)
            and isinstance(value.func.value, ast.Name)
            and value.func.value.id in LOGGERS
        )
        return None if is_text or is_log else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise):
        """Keep which error is raised, without its message."""
        if isinstance(node.exc, ast.Call):
            return ast.Raise(node.exc.func, None)
        return self.generic_visit(node)


def listing_hash(paths: Iterable[str | Path]) -> str:
    """Return a hash of the names and sizes of files: not of their times, nor of every byte. A file may be absent."""
    digest = hashlib.sha256()
    for path in map(Path, paths):
        try:
            size = path.stat().st_size
        except OSError:
            size = None
        digest.update(os.fsencode(path) + f"\0{size}\0".encode())  # a name may be no text
    return digest.hexdigest()[:16]
