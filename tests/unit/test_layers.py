"""Layers of the package: modules import only their own package and lower layers."""

import ast

import pytest

from ser.core.paths import ROOT, SCRIPTS
from ser.snakemake_support.code_hash import files_behind

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


def imported_modules(code: str) -> set[str]:
    """Return the imported names below `ser`, including imports inside functions."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide their package"
            names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return {name for name in names if name.startswith("ser.")}


def test_every_package_has_a_layer():
    packages = {path.parent.name for path in (SCRIPTS / "ser").glob("*/__init__.py")}
    assert packages == LEVEL.keys()
    assert not {path.name for path in (SCRIPTS / "ser").glob("*.py")} - {"__init__.py"}


@pytest.mark.parametrize("package", sorted(LEVEL))
def test_packages_import_lower_layers_only(package):
    found = {
        f"{path.relative_to(SCRIPTS)} imports {name}"
        for path in MODULES
        if path.relative_to(SCRIPTS / "ser").parts[0] == package
        for name in imported_modules(path.read_text(encoding="utf-8"))
        if (other := name.split(".")[1]) != package and LEVEL[other] >= LEVEL[package]
    }
    assert found == set()


def test_all_forms_of_import_are_found():
    code = "import ser.a.b\ndef f():\n    from ser import c\n    from ser.d import e as g\n    import numpy"
    assert imported_modules(code) == {"ser.a.b", "ser.c", "ser.d", "ser.d.e"}


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
