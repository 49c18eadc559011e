"""Captions with numbers from made-up results."""

import jinja2
import pandas as pd
import pytest
from docutils.core import publish_parts

from ser.evaluation.tables import read_table
from ser.figures import captions

TITLES = {"cnn-lstm": "CNN-LSTM", "xlsr": "XLSR"}
COMMON = {"seeds": 2, "label": "synthetic demo", "titles": TITLES}


def write(path, rows):
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_table2_caption_states_the_means(tmp_path):
    fixed = {"paper": None, "difference": None, "seeds": 2, "last_epoch_best": 1, "collapsed": 0, "converged": 2}
    rows = [
        {"source": s, "target": "C", "model": m, "uar": uar, **fixed}
        for s, m, uar in (("A", "cnn-lstm", 30), ("B", "cnn-lstm", 40), ("A", "xlsr", 50), ("B", "xlsr", 51))
    ]
    text = captions.render("table2.rst", [write(tmp_path / "t.csv", rows)], **COMMON)
    assert "mean over 2 seeds" in text
    assert "Mean over the 2 pairs:\nCNN-LSTM 35.0 and XLSR 50.5; chance is 25 %." in text
    assert "paper" not in text
    assert "longer training may help:\n4 of 4." in text
    assert text.endswith("are one class): 0.")
    converged = captions.render("table2_converged.rst", [tmp_path / "t.csv"], **COMMON)
    assert "CNN-LSTM 35.0 and XLSR 50.5 on average over the 2 pairs" in converged
    assert "in 8 of 8 combinations" in converged
    with_paper = [row | {"paper": 29, "difference": row["uar"] - 29} for row in rows]
    text = captions.render("table2.rst", [write(tmp_path / "t.csv", with_paper)], **COMMON)
    assert "Mean difference from the paper (here minus paper): CNN-LSTM 6.0 and XLSR 21.5 points." in text


def test_claims_and_overview_captions_state_the_verdicts(tmp_path):
    verdicts = {"C0": ("supported", ""), "C1": ("supported", ""), "C3": ("contradicted", "")}
    verdicts |= {"C4": ("no verdict", "2 seeds")}
    path = write(
        tmp_path / "claims.csv",
        [
            {"claim": c, "statement": f"It is {c}", "claim_verdict": v, "p": "" if r else 0.01, "reason": r}
            for c, (v, r) in verdicts.items()
        ],
    )
    text = captions.render("claims.rst", [path], **COMMON)
    assert "- **C3: contradicted.** It is C3.\n- **C4: no verdict (2 seeds).** It is C4.\n" in text
    assert "(synthetic demo)" in text
    assert "rest on the 3 contrasts" in text
    scores = [
        {"model": m, "shots": shots, "condition": "clean", "test_set": "all", "uar": uar}
        for m, shots, uar in (("cnn-lstm", 0, 30), ("xlsr", 0, 50), ("xlsr", 50, 99))
    ]
    more = {"runs": 3, "predictions": 7, "models": ["CNN-LSTM", "XLSR"], "sources": ["A"], "targets": ["B"]}
    more |= {"claimed": True, "experiment": "table2"}
    text = captions.render("overview.rst", [write(tmp_path / "s.csv", scores), path], **COMMON, **more)
    assert "3 training runs with 2 seeds, scored on 7 combinations of run, target and condition: CNN-LSTM and X" in text
    assert "CNN-LSTM 30.0 and XLSR 50.0." in text
    assert "C0 and C1 are supported; C3 is contradicted; C4 gets no verdict." in " ".join(text.split())
    page = publish_parts(text, writer="html", settings_overrides={"halt_level": 2})["html_body"]
    assert "<strong>synthetic demo</strong>" in page


def test_template_with_an_undefined_variable_fails(tmp_path):
    with pytest.raises(jinja2.UndefinedError):
        captions.render(
            "claims.rst",
            [
                write(
                    tmp_path / "c.csv",
                    [{"claim": "C0", "claim_verdict": "supported", "verdict": "supported", "reason": ""}],
                )
            ],
        )


def test_names_are_read_as_text(tmp_path):
    rows = [{"target": "1", "model": m, "uar": 50.0, "loss": None} for m in ("NA", "007")]
    frame = read_table(write(tmp_path / "t.csv", rows))
    assert captions.means(frame, "uar", {"NA": "first", "007": "second"}) == "first 50.0 and second 50.0"
    assert captions.means(frame, "loss", {}) == "none"
