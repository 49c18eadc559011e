"""Hashes of what Snakemake does not track itself: imported modules and user folders.

A module is hashed as parsed code, without comments, docstrings, formatting, log messages and messages of raised errors,
since they cannot change a result. Plumbing modules are not hashed. The hash is part of each rule's param
(`settings.uses`), so Snakemake reruns a job when it changes.
"""

import ast
import functools
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from ser.core.paths import ROOT, SCRIPTS

PLUMBING = {  # do not change what a job computes: what `families` chooses is in the settings and inputs of a job
    SCRIPTS / "ser" / "core" / "errors.py",
    SCRIPTS / "ser" / "models" / "families.py",
    SCRIPTS / "ser" / "snakemake_support" / "script.py",
    SCRIPTS / "ser" / "training" / "device.py",
}
LOGGERS = {"log", "logging"}


@functools.cache
def code_hash(*sources: str) -> str:
    """Return a hash of files and modules, and of all project modules that they import.

    Args:
        sources: names of modules (`ser.…`), or paths relative to the repository.

    Modules imported by a computed name are not found: the rule that selects them must list them in `sources`.
    """
    digest = hashlib.sha256()
    for path in files_behind(*sources):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + _content(path)[1])
    return digest.hexdigest()[:16]


def files_behind(*sources: str) -> list[Path]:
    """Return the files of `sources` and of all project modules that they import, except plumbing."""
    pending = [_module_path(source) if source.startswith("ser.") else ROOT / source for source in sources]
    found: set[Path] = set()
    while pending:
        source = pending.pop()
        if source not in found | PLUMBING:
            found.add(source)
            pending.extend(_content(source)[0])
    return sorted(found)


@functools.cache
def _content(path: Path) -> tuple[frozenset[Path], bytes]:
    """Return the project modules that a file imports, and its digest."""
    content = path.read_bytes()
    if path.suffix != ".py":
        return frozenset(), hashlib.sha256(content).digest()
    tree = ast.parse(content, str(path))
    modules = imported_modules(tree)
    return frozenset(modules), hashlib.sha256(_as_text(_WithoutProse().visit(tree)).encode()).digest()


def _as_text(node) -> str:
    """Return parsed code as text that is the same in all versions of Python, unlike that of `ast.dump`.

    Newer versions add fields, which are empty in code that older ones can parse.
    """
    if isinstance(node, ast.AST):
        fields = (f"{name}={_as_text(value)}" for name, value in ast.iter_fields(node) if value not in (None, []))
        return f"{type(node).__name__}({','.join(fields)})"
    return f"[{','.join(map(_as_text, node))}]" if isinstance(node, list) else repr(node)


def imported_modules(tree: ast.AST) -> set[Path]:
    """Return the project modules that code imports, with their parent packages."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    prefixes = {".".join(name.split(".")[:length]) for name in names for length in range(1, name.count(".") + 2)}
    modules = [_module_path(prefix) for prefix in prefixes if prefix.partition(".")[0] == "ser"]
    return {path for module in modules for path in (module, module.with_suffix("") / "__init__.py") if path.is_file()}


def _module_path(name: str) -> Path:
    return SCRIPTS.joinpath(*name.split(".")).with_suffix(".py")


class _WithoutProse(ast.NodeTransformer):
    """Transformer that removes docstrings, log calls and error messages."""

    def visit_Expr(self, node: ast.Expr):
        """Remove docstrings and log calls."""
        value = node.value
        is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
        is_log = (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Attribute)
            and isinstance(value.func.value, ast.Name)
            and value.func.value.id in LOGGERS
        )
        return None if is_text or is_log else node

    def visit_Raise(self, node: ast.Raise):
        """Keep the type of the raised error, without its message."""
        if isinstance(node.exc, ast.Call):
            return ast.Raise(node.exc.func, None)
        return node


def listing_hash(paths: Iterable[str | Path]) -> str:
    """Return a hash of the names and sizes of files. Files may be missing."""
    digest = hashlib.sha256()
    for path in map(Path, paths):
        try:
            size = path.stat().st_size
        except OSError:
            size = None
        digest.update(os.fsencode(path) + f"\0{size}\0".encode())  # a name may not be valid UTF-8
    return digest.hexdigest()[:16]
