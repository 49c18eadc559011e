"""What counts as the code of a script."""

import ast
from pathlib import Path

import pytest
from conftest import ROOT

from ser.models import families
from ser.snakemake_support import code_hash


def names(*sources):
    return {str(path.relative_to(ROOT / "workflow" / "scripts")) for path in code_hash.files_behind(*sources)}


def test_follows_imports_at_any_depth():
    behind = names("workflow/scripts/finetune.py", families.source("cnn-lstm"))
    assert {
        "finetune.py",
        "ser/training/loop.py",
        "ser/training/inference.py",
        "ser/core/metrics.py",
        "ser/models/cnn_lstm.py",
    } <= behind
    assert not behind & {"ser/corpora/noise.py", "ser/figures/style.py", "ser/corpora/ingest.py", "ser/demo/espeak.py"}


def test_lazy_imports_count():
    assert "ser/core/files.py" in names("workflow/scripts/download.py")


@pytest.mark.parametrize("script", ["table1", "table2", "figure2", "figure3", "score", "scores", "corpus", "audit"])
def test_light_jobs_do_not_import_torch(script):
    for path in code_hash.files_behind(f"workflow/scripts/{script}.py"):
        assert "import torch" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("script", ["finetune", "predict"])
def test_cnn_lstm_imports_neither_transformers_nor_peft(script):
    sources = code_hash.files_behind(f"workflow/scripts/{script}.py", families.source("cnn-lstm"))
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in imported} & {"transformers", "peft"}, path


def test_hash_is_of_content_not_of_time(tmp_path, monkeypatch):
    scripts = tmp_path / "workflow" / "scripts"
    (scripts / "ser").mkdir(parents=True)
    (scripts / "a.py").write_text("from ser import b\n")
    (scripts / "ser" / "__init__.py").touch()
    (scripts / "ser" / "b.py").write_text("x = 1\n")
    monkeypatch.setattr(code_hash, "ROOT", tmp_path)
    monkeypatch.setattr(code_hash, "SCRIPTS", scripts)

    def current():
        code_hash.code_hash.cache_clear()
        code_hash._imports_and_digest.cache_clear()
        return code_hash.code_hash("workflow/scripts/a.py")

    before = current()
    Path(scripts / "ser" / "b.py").touch()
    assert current() == before
    (scripts / "ser" / "b.py").write_text("x = 2\n")
    assert current() != before
    current()
    code_hash._imports_and_digest.cache_clear()
    code_hash.code_hash.cache_clear()


def test_every_import_is_seen():
    """As by a parser of whole modules: none of the project's imports is written in a way that is overlooked."""
    for path in sorted(code_hash.SCRIPTS.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        seen = [ast.dump(node) for node in code_hash._imports(path.read_text(encoding="utf-8"), str(path))]
        imports = [ast.dump(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        assert set(imports) <= set(seen), path
