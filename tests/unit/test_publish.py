"""Copying of results into the documentation."""

import sys

import numpy as np
import pandas as pd
import publish
from PIL import Image


def test_tables_are_copied_and_pictures_made_small(tmp_path, monkeypatch):
    results, folder = tmp_path / "run" / "results", tmp_path / "docs"
    for path in (results / "tables", results / "scores"):
        path.mkdir(parents=True)
    (results / "figures").mkdir()
    (results / "tables" / "table2.csv").write_text("source,target\n")
    (results / "tables" / "tuning.csv").write_text("of the table\n")
    (results / "figures" / "tuning.csv").write_text("of the figure\n")
    (results / "claims.md").write_text("# Claims\n")
    (results / "scores" / "figure2_confusions.csv").write_text("model,angry\ncnn-lstm,3\n")
    (results / "other.csv").write_text("not published\n")
    pixels = np.zeros((500, 4000, 3), np.uint8)
    pixels[:, 2000:] = (200, 30, 30)
    Image.fromarray(pixels).save(results / "tables" / "table2.png")
    monkeypatch.setattr(sys, "argv", ["publish.py", str(tmp_path / "run"), str(folder)])
    publish.main()
    assert {path.name for path in folder.iterdir()} == {"table2.csv", "tuning.csv", "claims.md", "table2.png", "scores"}
    assert (folder / "tuning.csv").read_text() == "of the figure\n"
    counts = pd.read_csv(folder / "scores" / "figure2_confusions.csv.xz")
    assert counts.to_dict("records") == [{"model": "cnn-lstm", "angry": 3}]
    with Image.open(folder / "table2.png") as picture:
        assert picture.size == (1300, 163)
        assert picture.convert("RGB").getpixel((1000, 100)) == (200, 30, 30)
