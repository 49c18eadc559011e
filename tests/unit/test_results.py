"""Scores, tables and figures from made-up predictions with known answers."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT

from ser.core import files
from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.evaluation import aggregate, confusions, learning_curves, scores
from ser.figures import comparison, figure2, figure3, table2
from ser.models import pretraining_data

EXPERIMENT = {"models": ["cnn-lstm", "xlsr"], "sources": ["EMODB", "URDU"], "targets": ["EMODB", "URDU"]}


def rows_of(values, **identity):
    """Scores of repetitions 1, 2, ... with given UARs."""
    fixed = {"model": "cnn-lstm", "source": "EMODB", "target": "URDU", "shots": 0, "condition": "clean"}
    fixed |= {"test_set": "all", "n": 400, "accuracy": 0.0} | identity
    return [fixed | {"seed": seed, "uar": uar} for seed, uar in enumerate(values, 1)]


class TestScores:
    """Predictions scored on all utterances and on test speakers."""

    @pytest.fixture
    def paths(self, tmp_path):
        split = tmp_path / "results/splits/T/seed1/target.csv"
        roles = [(f"u{i}", "test" if i >= 4 else "pool") for i in range(8)]
        files.write_rows(split, ("utterance", "role"), roles)
        predictions = []
        for shots in (0, 50):
            path = tmp_path / f"results/predictions/m/S-to-T/{shots}-shot/seed1/clean.csv"
            rows = [(f"u{i}", EMOTIONS[i % 4], EMOTIONS[i % 4] if i < 6 else "angry") for i in range(8)]
            files.write_rows(path, ("utterance", "emotion", "predicted"), rows)
            predictions.append(str(path))
        return predictions, [str(split)]

    def test_test_sets(self, paths):
        result = {(row["shots"], row["test_set"]): row for row in scores.score_files(*paths)}
        assert set(result) == {("0", "all"), ("0", "test"), ("50", "test")}  # `all` would hold training samples
        assert result["0", "all"]["n"] == 8
        assert float(result["0", "all"]["uar"]) == pytest.approx(75)
        assert float(result["50", "test"]["uar"]) == pytest.approx(50)
        assert result["50", "test"]["n"] == 4

    def test_merging_keeps_each_run_once(self, tmp_path, paths):
        rows = scores.score_files(*paths)
        for name in ("a", "b"):
            files.write_rows(tmp_path / name, scores.COLUMNS, rows)
        assert len(scores.merged(dict.fromkeys([tmp_path / "a", tmp_path / "b"], len(rows)))) == len(rows)


class TestSummaries:
    """Means and t intervals over repetitions."""

    def test_against_tabulated_quantiles(self):
        frame = pd.DataFrame(rows_of([50, 52, 54, 56, 58]))
        row = aggregate.over_repetitions(frame, ["model"]).iloc[0]
        assert (row["uar"], row["seeds"]) == (54, 5)
        assert row["std"] == pytest.approx(np.sqrt(10))
        margin = 2.776445 * np.sqrt(10) / np.sqrt(5)  # Student's t, 4 degrees of freedom
        assert (row["low"], row["high"]) == pytest.approx((54 - margin, 54 + margin), abs=1e-5)

    def test_one_repetition_has_no_interval(self):
        row = aggregate.over_repetitions(pd.DataFrame(rows_of([50])), ["model"]).iloc[0]
        assert row["uar"] == 50
        assert row[["std", "low", "high"]].isna().all()


@pytest.mark.parametrize("value", ["nan", "", "inf"])
def test_a_score_that_is_no_number_stops_the_table(tmp_path, value):
    path = tmp_path / "scores.csv"
    files.write_rows(path, scores.COLUMNS, [*rows_of(["50"]), rows_of([value], model="xlsr")[0]])
    with pytest.raises(UserError, match="1 scores are no numbers, the first that of xlsr, EMODB to URDU"):
        aggregate.read_scores(path, 2)


class TestTable2:
    """Every configured cell, the paper's value beside it, gaps as gaps."""

    @pytest.fixture
    def detail(self):
        frame = pd.DataFrame(rows_of([50, 54]) + rows_of([60], model="xlsr", source="URDU", target="EMODB"))
        return table2.detail(frame, EXPERIMENT, {"EMODB": "altered excerpts, not comparable"})

    def test_values(self, detail):
        cells = detail.set_index(["source", "target", "model"])
        ours = cells.loc[("EMODB", "URDU", "cnn-lstm")]
        assert (ours["uar"], ours["paper"], ours["seeds"]) == (52, 54.15, 2)
        assert ours["difference"] == pytest.approx(-2.15)
        assert cells.loc[("URDU", "EMODB", "cnn-lstm"), "paper"] == 51.82
        assert cells.loc[("URDU", "EMODB", "xlsr"), ["uar", "paper"]].tolist() == [60, 55.22]

    def test_missing_runs_are_missing(self, detail):
        gap = detail.set_index(["source", "target", "model"]).loc[("URDU", "EMODB", "cnn-lstm")]
        assert np.isnan(gap["uar"])
        assert np.isnan(gap["difference"])
        assert gap["seeds"] == 0

    def test_wide_form_and_order(self, detail):
        wide = table2.wide(detail)
        assert list(wide.columns) == ["source", "target", "cnn-lstm", "xlsr"]
        assert wide[["source", "target"]].values.tolist() == [["EMODB", "URDU"], ["URDU", "EMODB"]]
        assert wide["cnn-lstm"].tolist()[0] == 52
        assert np.isnan(wide["cnn-lstm"].tolist()[1])

    def test_notes_stand_in_every_cell_they_concern(self, detail):
        assert set(detail["note"]) == {"EMODB: altered excerpts, not comparable"}

    def test_test_set_rows_do_not_enter(self):
        frame = pd.DataFrame(rows_of([50]) + rows_of([90], test_set="test") + rows_of([90], shots=50, test_set="test"))
        detail = table2.detail(frame, EXPERIMENT, {})
        assert detail["uar"].dropna().tolist() == [50]

    def test_the_papers_table_is_whole(self):
        assert len(table2.paper_values()) == 60
        assert table2.paper_values()[("EMOVO", "URDU", "mms")] == 61.10


def test_figure2_points_share_test_speakers():
    experiment = {"models": ["cnn-lstm"], "source": "EMODB", "targets": ["URDU"], "shots": [0, 50]}
    frame = pd.DataFrame(
        rows_of([10, 20])
        + rows_of([30, 40], test_set="test")
        + rows_of([50, 60], shots=50, test_set="test")
        + rows_of([99], shots=100, test_set="test")
    )
    points = figure2.points(frame, experiment)
    assert points[["shots", "uar"]].values.tolist() == [[0, 35], [50, 55]]


def test_figure3_pairs_runs():
    experiment = {"models": ["cnn-lstm", "xlsr"], "source": "EMODB", "targets": ["URDU"], "condition": "noisy"}
    frame = pd.DataFrame(rows_of([60, 70]) + rows_of([50, 64], condition="noisy") + rows_of([55], model="xlsr"))
    bars = figure3.bars(frame, experiment).set_index(["model", "condition"])
    assert bars.loc[("cnn-lstm", "noisy"), "loss"] == 8
    assert np.isnan(bars.loc[("cnn-lstm", "clean"), "loss"])
    assert ("xlsr", "noisy") not in bars.index


def test_comparisons_leave_other_pairs_and_models_out():
    experiment = {"models": ["xlsr", "cnn-lstm"], "sources": ["URDU", "EMODB"], "targets": ["EMODB", "URDU"]}
    frame = pd.DataFrame(
        rows_of([40, 50])
        + rows_of([60], model="xlsr", source="URDU", target="EMODB")
        + rows_of([99], model="mms")
        + rows_of([99], target="EMOVO")
        + rows_of([99], condition="noisy")
        + rows_of([99], test_set="test")
        + rows_of([99], shots=50)
    )
    cells = comparison.cells(frame, experiment)
    assert cells[["model", "source", "target", "uar", "seeds"]].values.tolist() == [
        ["xlsr", "URDU", "EMODB", 60, 1],
        ["cnn-lstm", "EMODB", "URDU", 45, 2],
    ]


def test_every_published_checkpoint_of_the_configuration_is_known():
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    for entry in config["models"].values():
        if "checkpoint" in entry:
            found = pretraining_data.known()[entry["checkpoint"]]
            assert found["source"]
            assert set(found["met"]) >= {"English"}
    met = {
        name: pretraining_data.met({"checkpoint": name}, "Urdu")
        for name in pretraining_data.known()
        if "/demo/" not in name
    }
    assert met["facebook/wav2vec2-large-xlsr-53"] == "no"  # neither Common Voice of 2020, nor BABEL, nor MLS has Urdu
    assert met["openai/whisper-medium"] == met["facebook/mms-300m"] == "yes"


def test_table2_for_papers():
    frame = pd.DataFrame(rows_of([50, 54]) + rows_of([60], model="xlsr", source="URDU", target="EMODB"))
    detail = table2.detail(frame, EXPERIMENT, {})
    titles = {"cnn-lstm": "CNN-LSTM", "xlsr": "XLSR_53"}
    markdown = table2.markdown(detail, titles, ["synthetic | demo"]).splitlines()
    assert markdown[-1] == "| URDU | EMODB | not run (51.82) | 60.00 (55.22) |"
    assert markdown[-2] == "| EMODB | URDU | 52.00 \N{PLUS-MINUS SIGN} 25.41 (54.15) | not run (59.01) |"
    latex = table2.latex(detail, titles, ["100 % synthetic"])
    assert r"Source & Target & CNN-LSTM & XLSR\_53 \\" in latex
    assert r"100 \% synthetic" in latex
    assert r"52.00 $\pm$ 25.41 (54.15)" in latex


def test_confusions_by_hand():
    """Two pairs count alike, whatever their size."""
    fixed = {"model": "m", "source": "S", "seed": 1, "role": "test", "speaker": "a", "shots": 0, "condition": "clean"}
    small = {"target": "T", "emotion": "sad", "angry": 1, "happy": 0, "neutral": 0, "sad": 1}
    large = {"target": "U", "emotion": "sad", "angry": 0, "happy": 0, "neutral": 0, "sad": 90}
    more = large | {"speaker": "b", "happy": 10, "sad": 0}
    counts = pd.DataFrame([fixed | small, fixed | large, fixed | more])
    shares = confusions.matrices(counts, ["model"]).iloc[0]
    assert shares[list(EMOTIONS)].tolist() == [25, 5, 0, 70]
    recalls = confusions.recalls(counts, ["target"]).set_index("target")["recall"]
    assert recalls.to_dict() == {"T": 50, "U": 90}


def test_curves_are_means_over_repetitions(tmp_path):
    paths = []
    for seed, uar in ((1, 40), (2, 50)):
        path = tmp_path / f"results/runs/xlsr/A-B-to-any/0-shot/seed{seed}/history.csv"
        files.write_rows(path, ("epoch", "train_loss", "dev_loss", "dev_uar"), [(1, 1.0, 2.0, uar)])
        paths.append(path)
    curves = learning_curves.curves(paths, {"xlsr": 1})
    assert curves.values.tolist() == [["xlsr", "A-B", 1, 1.0, 2.0, 45.0, 2]]


@pytest.mark.parametrize("script", ["table2", "figure2", "figure3", "comparison_figure"])
def test_drawing_survives_gaps(tmp_path, monkeypatch, script):
    """One model wholly missing, one repetition only: a picture all the same, with the gap visible."""
    monkeypatch.syspath_prepend(str(ROOT / "workflow" / "scripts"))
    module = __import__(script)
    titles = {"cnn-lstm": "CNN-LSTM", "xlsr": "XLSR"}
    path = tmp_path / "drawn.png"
    texts: list[str] = []
    save = module.drawing.save
    monkeypatch.setattr(
        module.drawing,
        "save",
        lambda figure, path: (texts.extend(t.get_text() for t in figure.texts), save(figure, path)),
    )
    if script == "table2":
        detail = table2.detail(pd.DataFrame(rows_of([50])), EXPERIMENT, {})
        module.draw(detail, titles, ["synthetic demo"], path)
    elif script == "comparison_figure":
        shown = comparison.cells(pd.DataFrame(rows_of([50])), EXPERIMENT)
        module.draw(shown, EXPERIMENT, titles, ["synthetic demo"], path)
    else:
        experiment = {"models": ["cnn-lstm", "xlsr"], "source": "EMODB", "targets": ["URDU"]}
        experiment |= {"shots": [0, 50]} if script == "figure2" else {"condition": "noisy"}
        frame = pd.DataFrame(rows_of([50]) + rows_of([50], test_set="test"))
        shown = figure2.points(frame, experiment) if script == "figure2" else figure3.bars(frame, experiment)
        module.draw(shown, experiment, titles, ["synthetic demo"], path)
    assert plt.imread(path).shape[0] > 300
    assert texts[-1] == "synthetic demo"
