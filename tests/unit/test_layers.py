"""Layers of the package: modules import only their own package and lower layers."""

import ast

import pytest

from ser.core.paths import ROOT, SCRIPTS
from ser.snakemake_support.code_hash import files_behind, imported_modules

LAYERS = (
    {"core"},
    {"corpora"},
    {"models"},
    {"config", "training", "evaluation"},
    {"figures", "snakemake_support", "demo"},
    {"deploy"},
)
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}
MODULES = sorted(path for package in LEVEL for path in (SCRIPTS / "ser" / package).rglob("*.py"))


def package_of(path):
    """Return the name of a module's package in `ser`."""
    return path.relative_to(SCRIPTS / "ser").parts[0]


def test_every_package_has_a_layer():
    packages = {path.parent.name for path in (SCRIPTS / "ser").glob("*/__init__.py")}
    assert packages == LEVEL.keys()
    assert not {path.name for path in (SCRIPTS / "ser").glob("*.py")} - {"__init__.py"}


@pytest.mark.parametrize("package", sorted(LEVEL))
def test_packages_import_lower_layers_only(package):
    own = [path for path in MODULES if package_of(path) == package]
    found = {
        f"{path.relative_to(SCRIPTS)} imports {other.relative_to(SCRIPTS)}"
        for path in own
        for other in imported_modules(ast.parse(path.read_text(encoding="utf-8")))
        if other.parent != SCRIPTS / "ser" and package_of(other) != package
        if LEVEL[package_of(other)] >= LEVEL[package]
    }
    assert found == set()


def test_imports_name_their_package():
    """Relative imports are not seen by the test above, nor by code hashes."""
    nodes = (node for path in MODULES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    assert not [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level]


def test_all_forms_of_import_are_found():
    code = "import ser.core.files as f\ndef f():\n    from ser.core import errors as e\n    import numpy"
    code += "\n    from ser import core\n    from ser.models.svm import LinearSvm"
    found = {path.relative_to(SCRIPTS / "ser").as_posix() for path in imported_modules(ast.parse(code))}
    packages = {"__init__.py", "core/__init__.py", "models/__init__.py"}
    assert found - packages == {"core/errors.py", "core/files.py", "models/svm.py"}


@pytest.mark.parametrize("package", ["models", "training"])
def test_models_and_training_import_neither_audio_libraries_nor_snakemake(package):
    """So that they run on a machine with PyTorch and transformers only; imports inside functions are allowed."""
    modules = [str(path.relative_to(ROOT)) for path in MODULES if path.parent.name == package]
    found = {
        f"{path.relative_to(SCRIPTS)} imports {name}"
        for path in files_behind(*modules)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
        if name and name.partition(".")[0] in {"librosa", "soundfile", "soxr", "opensmile", "snakemake"}
    }
    assert found == set()
