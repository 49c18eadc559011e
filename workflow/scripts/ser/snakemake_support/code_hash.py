"""What a job runs and reads that Snakemake does not track: imported modules, and files that a path stands for."""

import ast
import functools
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from ser.core.paths import ROOT, SCRIPTS

# An import at any depth. To parse these alone takes a fifth of the time that whole modules take, in every plan and job.
IMPORT = re.compile(
    r"^[ \t]*((?:from[ \t]+\w[\w.]*[ \t]+import[ \t]*(?:\([^)]*\)|[^\n(]+))|import[ \t]+\w[^\n]*)", re.MULTILINE
)


def imported_modules(source: Path) -> set[Path]:
    """The project's own modules that a Python file imports by name, at any depth of its code."""
    names = set()
    for node in _imports(source.read_text(encoding="utf-8"), str(source)):
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


def _imports(text: str, name: str) -> Iterable[ast.AST]:
    try:
        return [node for found in IMPORT.finditer(text) for node in ast.parse(found[1]).body]
    except SyntaxError:  # words of a docstring, or an import that is written otherwise
        return ast.walk(ast.parse(text, name))


@functools.cache
def _imports_and_digest(source: Path) -> tuple[frozenset[Path], bytes]:
    imports = imported_modules(source) if source.suffix == ".py" else set()
    return frozenset(imports), hashlib.sha256(source.read_bytes()).digest()


def files_behind(*sources: str) -> list[Path]:
    """The given files (relative to the repository) and every project module they import.

    A module loaded by a computed name (an encoder family, a corpus format) cannot be seen here:
    the rule that chooses it names it as a source of its own.
    """
    pending = [ROOT / source for source in sources]
    found: set[Path] = set()
    while pending:
        source = pending.pop()
        if source not in found:
            found.add(source)
            pending.extend(_imports_and_digest(source)[0])
    return sorted(found)


@functools.cache
def code_hash(*sources: str) -> str:
    """Content hash of `files_behind(*sources)`: names and bytes, not times."""
    digest = hashlib.sha256()
    for path in files_behind(*sources):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + _imports_and_digest(path)[1])
    return digest.hexdigest()[:16]


def listing_hash(paths: Iterable[str | Path]) -> str:
    """Hash of the names and sizes of some files: not of their times, nor of every byte. A file may be absent."""
    digest = hashlib.sha256()
    for path in map(Path, paths):
        try:
            size = path.stat().st_size
        except OSError:
            size = None
        digest.update(os.fsencode(path) + f"\0{size}\0".encode())  # a name may be no text
    return digest.hexdigest()[:16]
