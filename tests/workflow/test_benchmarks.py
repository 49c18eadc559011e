"""Documented benchmarks run at their smallest size and print their tables."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

TABLE = re.compile(r"(\|[^\n]+\|\n)\|[-:|]+\|\n(\|[^\n]+\|\n)+")
SMALLEST = {  # arguments, and rows of the first table
    "corpus.py": (["--every", "100"], 4),
    "claims_simulation.py": (["coverage", "--simulations", "2"], 30),
    "gpu_check.py": (["--dry", "--models", "cnn-lstm", "wav2vec2-base", "whisper-medium"], 10),
    "scale.py": (["--factors", "0.2"], 1),
    "split_coverage.py": (["--seeds", "2"], 12),
}
RUN = re.compile(r"python benchmarks/(\w+\.py)")


def test_every_documented_benchmark_is_run():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    named = {name for page in pages for name in RUN.findall(page.read_text(encoding="utf-8"))}
    assert named == {*SMALLEST, "fine_tuning.py"}  # whose cases gpu_check.py runs


@pytest.mark.parametrize("name", SMALLEST)
def test_benchmark_prints_its_table(name, tmp_path, tmp_path_factory):
    arguments, rows = SMALLEST[name]
    command = [sys.executable, str(ROOT / "benchmarks" / name), *arguments]
    elsewhere = str(tmp_path_factory.mktemp("elsewhere"))
    if name == "gpu_check.py":
        command += ["--output", elsewhere]
    environment = os.environ | {"TMPDIR": str(tmp_path), "TORCHINDUCTOR_CACHE_DIR": elsewhere}
    printed = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    table = TABLE.search(printed)[0]
    assert len(table.splitlines()) == 2 + rows, printed
    assert list(tmp_path.iterdir()) == []
