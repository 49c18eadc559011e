"""Benchmarks that the documentation names, at their smallest: that it runs and prints its table, not how fast."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

TABLE = re.compile(r"(\|[^\n]+\|\n)\|[-:|]+\|\n(\|[^\n]+\|\n)+")
SMALLEST = {  # arguments, and rows of the first table
    "corpus.py": (["--every", "100"], 4),
    "interval_coverage.py": (["--simulations", "2"], 6),
    "scale.py": (["--factors", "1"], 1),
}
RUN = re.compile(r"python benchmarks/(\w+\.py)")


def test_every_benchmark_that_a_page_names_is_run():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    named = {name for page in pages for name in RUN.findall(page.read_text(encoding="utf-8"))}
    assert named == {*SMALLEST, "fine_tuning.py"}  # at its smallest it takes a minute


@pytest.mark.parametrize("name", SMALLEST)
def test_runs(name, tmp_path):
    arguments, rows = SMALLEST[name]
    command = [sys.executable, str(ROOT / "benchmarks" / name), *arguments]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    printed = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    table = TABLE.search(printed)[0]
    assert len(table.splitlines()) == 2 + rows, printed
    assert list(tmp_path.iterdir()) == []
