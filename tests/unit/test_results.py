"""Scores, tables and figures of made-up predictions with known results."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from ser.core import files
from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.core.paths import RunId
from ser.corpora.data_fingerprint import data_fingerprint, described
from ser.evaluation import confusions, intervals, scores
from ser.figures import (
    adaptation,
    comparison,
    differences,
    figure2,
    figure3,
    measures,
    style,
    table2,
    training_curves,
)

EXPERIMENT = {"models": ["cnn-lstm", "xlsr"], "sources": ["EMODB", "URDU"], "targets": ["EMODB", "URDU"]}


def rows_of(values, **identity):
    """Return scores of seeds 1, 2, ... with given UARs."""
    fixed = {"model": "cnn-lstm", "source": "EMODB", "target": "URDU", "shots": 0, "condition": "clean"}
    fixed |= {"test_set": "all", "n": 400} | dict.fromkeys(scores.MEASURES, 0.0)
    fixed |= {"selected_epoch": 3, "epochs": 5, "train_loss": 0.5, "converged": 0} | identity
    return [fixed | {"seed": seed, "uar": uar} for seed, uar in enumerate(values, 1)]


def counts_of(scored):
    """Return counts of two speakers whose recalls are 2 points below and above the UAR."""
    run = ["model", "source", "target", "shots", "condition", "seed"]
    rows = []
    for row in scored.drop_duplicates(run).to_dict("records"):
        for speaker, shift in (("a", -2), ("b", 2)):
            for i, emotion in enumerate(EMOTIONS):
                correct = round(row["uar"]) + shift
                found = dict.fromkeys(EMOTIONS, 0) | {emotion: correct, EMOTIONS[i - 1]: 100 - correct}
                rows.append({k: row[k] for k in run} | {"role": "test", "speaker": speaker, "emotion": emotion} | found)
    return pd.DataFrame(rows)


def detail_of(scored, notes, experiment=EXPERIMENT, **options):
    """Return the cells of Table II."""
    return table2.detail(scored, counts_of(scored), experiment, notes, **options)


COLUMNS = ("target", "condition", "utterance", "emotion", "predicted", *EMOTIONS)
UTTERANCES = {
    "T": [{"utterance": f"u{i}", "speaker": f"0{i // 4}", "emotion": "sad", "samples": "400"} for i in range(8)]
}
TRAINING = {"selected_epoch": 3, "epochs": 5, "train_loss": 0.25, "converged": True, "data": "0123456789abcdef"}


def test_fingerprint_of_data():
    rows = [{"utterance": u, "emotion": "sad", "speaker": "A", "samples": "100", "start": "0"} for u in "abc"]
    before = data_fingerprint(described(rows, "ab"))
    assert data_fingerprint(described(rows[::-1], "ba")) == before
    other = [row | {"start": "7"} for row in rows]  # where the audio is stored
    assert data_fingerprint(described(other, "ab")) == before
    changed = [described([rows[0] | {key: "x"}, *rows[1:]], "ab") for key in ("emotion", "speaker", "samples")]
    found = {data_fingerprint(one) for one in (*changed, described(rows, "abc"), described(rows, "ac"))}
    assert len(found - {before}) == 5


class TestScores:
    """Predictions scored on all utterances and on test speakers."""

    @pytest.fixture
    def read(self, tmp_path):
        """Return a function that reads a zero-shot and a few-shot run of 8 utterances."""
        split = tmp_path / "results/splits/T/seed1/target.csv"
        files.write_rows(split, ("utterance", "role"), [(f"u{i}", "test" if i >= 4 else "pool") for i in range(8)])
        paths = []
        for run in (RunId("m", "S", "any", 0, 1), RunId("m", "S", "T", 50, 1)):
            right = [(f"u{i}", EMOTIONS[i % 4], EMOTIONS[i % 4] if i < 6 else "angry") for i in range(8)]
            rows = [("T", "clean", *row) for row in right] + [("T", "noisy", row[0], row[1], "sad") for row in right]
            paths.append(tmp_path / f"results/predictions/{run.path}.csv")
            rows = [(*row, *(0.7 if row[-1] == e else 0.1 for e in EMOTIONS)) for row in rows]
            files.write_rows(paths[-1], COLUMNS, [*rows, ("U", "clean", "v0", "sad", "sad", 0, 0, 0, 1)])
            files.write_json(tmp_path / run.folder / "run.json", TRAINING)
        return lambda *conditions: list(scores.read_predictions(paths, [split], UTTERANCES, conditions))

    @pytest.fixture
    def score(self, read, tmp_path):
        """Return a function that reads and scores the runs."""
        training = scores.read_training(tmp_path.glob("results/runs/**/run.json"))

        def score(*conditions, snr_db=10, training=training):
            settings = {"clean": {}, "noisy": {"snr_db": snr_db}}
            scored = [
                scores.score(p, UTTERANCES["T"], training[p.run], settings[p.condition]) for p in read(*conditions)
            ]
            return [row for rows in scored for row in rows]

        return score

    def test_only_targets_and_conditions_of_the_experiment_are_read(self, read):
        found = [(one.run.shots, one.target, one.condition) for one in read("clean")]
        assert found == [(0, "T", "clean"), (50, "T", "clean")]
        assert len(read("clean", "noisy")) == 4

    def test_test_sets(self, score):
        result = {(row["shots"], row["condition"], row["test_set"]): row for row in score("clean")}
        # `all` would include few-shot examples
        assert set(result) == {(0, "clean", "all"), (0, "clean", "test"), (50, "clean", "test")}
        assert result[0, "clean", "all"]["n"] == 8
        assert float(result[0, "clean", "all"]["uar"]) == pytest.approx(75)
        assert float(result[50, "clean", "test"]["uar"]) == pytest.approx(50)
        assert result[50, "clean", "test"]["n"] == 4
        noisy = [row for row in score("clean", "noisy") if row["condition"] == "noisy"]
        assert {float(row["uar"]) for row in noisy} == {25}
        assert {float(row["largest_share"]) for row in noisy} == {100}

    def test_row_has_every_measure_and_how_the_run_was_trained(self, score):
        """Speaker 00 is right four times of four, speaker 01 twice: neutral and sad are taken for angry."""
        row = score("clean")[0]
        assert set(row) == set(scores.COLUMNS)
        expected = {"accuracy": 75, "macro_f1": 100 * (2 / 3 + 1 + 2 / 3 + 2 / 3) / 4}
        expected |= {"speaker_recall": 75, "largest_share": 50, "auc": 100 * (5 / 6 + 1 + 3 / 4 + 3 / 4) / 4}
        assert {name: float(row[name]) for name in expected} == pytest.approx(expected, abs=1e-4)
        assert [row[name] for name in scores.TRAINING] == [3, 5, "0.250000", 1]

    def test_fingerprint_depends_on_training_data_test_data_and_condition(self, score):
        def fingerprints(**changes):
            return [row["data"] for row in score("clean", "noisy", **changes)]

        found = fingerprints()
        zero_shot, few_shot = found[:4], found[4:]
        assert len({*zero_shot}) == 4  # two conditions and two test sets
        assert found == fingerprints()
        changed = fingerprints(snr_db=5)
        conditions = [row["condition"] for row in score("clean", "noisy")]
        assert [a == b for a, b in zip(found, changed, strict=True)] == [name == "clean" for name in conditions]
        # both runs were said to have the same training data
        assert {*few_shot} < {*zero_shot}
        other = {
            run: TRAINING | {"data": str(run)} for run in (RunId("m", "S", "any", 0, 1), RunId("m", "S", "T", 50, 1))
        }
        assert not {*fingerprints(training=other)} & {*found}

    def test_split_of_other_utterances_is_rejected(self, read, tmp_path):
        files.write_rows(tmp_path / "results/splits/T/seed1/target.csv", ("utterance", "role"), [("u0", "test")])
        with pytest.raises(UserError, match=r"seed1\.csv and results/splits/T/seed1/target\.csv differ .*u1, u2"):
            read("clean")

    def test_merging_keeps_each_run_once(self, score, tmp_path):
        rows = score("clean")
        for name in ("a", "b"):
            files.write_rows(tmp_path / name, scores.COLUMNS, rows)
        merged = scores.merged([tmp_path / "a", tmp_path / "b"])
        assert [row["test_set"] for row in merged] == [row["test_set"] for row in rows]

    def test_counts_by_speaker(self, read, tmp_path):
        counted = [row for one in read("clean") for row in confusions.count(one)]
        found = [(row["shots"], row["role"], row["speaker"], row["emotion"], row["angry"]) for row in counted]
        assert found == [
            *((0, "pool", "00", emotion, int(emotion == "angry")) for emotion in EMOTIONS),
            *((0, "test", "01", emotion, int(emotion != "happy")) for emotion in EMOTIONS),
            # the pool of a few-shot run includes training examples
            *((50, "test", "01", emotion, int(emotion != "happy")) for emotion in EMOTIONS),
        ]
        files.write_rows(tmp_path / "counts.csv", confusions.COLUMNS, counted)
        read_again = confusions.read([tmp_path / "counts.csv"] * 2)
        assert len(read_again) == len(counted)
        assert read_again["speaker"].tolist()[0] == "00"


class TestSummaries:
    """Means over seeds, and intervals for new seeds and speakers."""

    def test_values(self):
        frame = pd.DataFrame(rows_of([50, 52, 54, 56, 58]))
        row = intervals.mean_over_seeds(frame, counts_of(frame), "all").iloc[0]
        assert (row["uar"], row["seeds"], row["each"]) == (54, 5, "50.00 52.00 54.00 56.00 58.00")
        assert row["std"] == pytest.approx(np.sqrt(10))
        # variances 10 / 5 of seeds and 8 / 2 of speakers, with 4 degrees of freedom and 1: 36 / (4 / 4 + 16 / 1) = 2.1
        margin = 4.1 * np.sqrt(6)
        assert (row["high"] - row["low"]) / 2 < margin
        assert row["low"] < 52 < 56 < row["high"]

    def test_interval_of_one_seed_is_over_speakers(self):
        frame = pd.DataFrame(rows_of([50]))
        row = intervals.mean_over_seeds(frame, counts_of(frame), "all").iloc[0]
        assert (row["low"], row["uar"], row["high"]) == (pytest.approx(48), 50, pytest.approx(52))
        assert np.isnan(row["std"])


class TestTable2:
    """Table II: configured pairs, and the paper's values."""

    @pytest.fixture
    def detail(self):
        reversed_pair = {"source": "URDU", "target": "EMODB"}
        rows = rows_of([50, 54]) + rows_of([30, 50], **reversed_pair)
        rows += rows_of([60, 70], model="xlsr") + rows_of([59, 61], model="xlsr", **reversed_pair)
        return detail_of(pd.DataFrame(rows), {"EMODB": [], "URDU": []})

    def test_values(self, detail):
        cells = detail.set_index(["source", "target", "model"])
        ours = cells.loc[("EMODB", "URDU", "cnn-lstm")]
        assert (ours["uar"], ours["paper"], ours["seeds"]) == (52, 54.15, 2)
        assert ours["difference"] == pytest.approx(-2.15)
        assert cells.loc[("URDU", "EMODB", "cnn-lstm"), "paper"] == 51.82
        assert cells.loc[("URDU", "EMODB", "xlsr"), ["uar", "paper"]].tolist() == [60, 55.22]

    def test_wide_form_and_order(self, detail):
        wide = table2.wide(detail)
        assert list(wide.columns) == ["source", "target", "cnn-lstm", "xlsr"]
        assert wide[["source", "target"]].values.tolist() == [["EMODB", "URDU"], ["URDU", "EMODB"]]
        assert wide[["cnn-lstm", "xlsr"]].values.tolist() == [[52, 65], [40, 60]]

    def test_paper_is_left_out_beside_what_is_not_comparable(self):
        """A difference in settings is noted only where the paper has a value."""
        experiment = {"models": ["cnn-lstm", "xlsr", "mine"], "sources": ["EMODB"], "targets": ["URDU", "EMOVO", "T"]}
        archives, deviations = {"EMODB": [], "EMOVO": ["altered"], "T": ["altered"]}, {"xlsr": ["epochs 20, not 5"]}
        notes = table2.all_notes(experiment, archives, deviations | {"mms": ["epochs 9, not 5"]})
        assert notes == archives | {"xlsr": ["epochs 20, not 5"]}
        run = [(model, target) for model in experiment["models"] for target in experiment["targets"]]
        scored = pd.DataFrame(row for model, target in run for row in rows_of([50], model=model, target=target))
        cells = detail_of(scored, notes, experiment, label="demo").set_index(["target", "model"])
        assert cells["paper"].dropna().to_dict() == {("URDU", "cnn-lstm"): 54.15}
        assert cells.loc[("EMOVO", "xlsr"), "note"] == "demo; EMOVO: altered; xlsr: epochs 20, not 5"
        assert cells.loc[("URDU", "mine"), "note"] == "demo"
        unlike = table2.all_notes(experiment | {"targets": ["T"]}, archives, deviations)
        assert unlike == archives

    @pytest.mark.parametrize(
        ("seeds", "text"),
        [
            ([(5, 10), (5, 10), (3, 10)], "52.0\N{DAGGER}"),
            ([(3, 90), (5, 90), (3, 80)], "52.0\N{DOUBLE DAGGER}"),
            ([(3, 80), (5, 81), (3, 80)], "52.0"),
        ],
    )
    def test_half_of_the_seeds_decide_on_marks(self, seeds, text):
        rows = [
            row | {"selected_epoch": epoch, "largest_share": share}
            for row, (epoch, share) in zip(rows_of([50, 52, 54]), seeds, strict=True)
        ]
        row = next(detail_of(pd.DataFrame(rows), {}).itertuples())
        assert re.sub(" \N{PLUS-MINUS SIGN} [0-9.]+", "", table2.text_of(row, 1)) == text

    def test_scores_on_test_speakers_are_excluded(self):
        frame = pd.DataFrame(rows_of([50]) + rows_of([90], test_set="test"))
        detail = detail_of(frame, {})
        assert detail["uar"].dropna().tolist() == [50]

    def test_paper_table_is_complete(self):
        assert len(table2.paper_values()) == 60
        assert table2.paper_values()[("EMOVO", "URDU", "mms")] == 61.10


def test_figure2_points_share_test_speakers():
    experiment = {"models": ["cnn-lstm"], "source": "EMODB", "targets": ["URDU"], "shots": [0, 50]}
    frame = pd.DataFrame(
        rows_of([10, 20])
        + rows_of([30, 40], test_set="test")
        + rows_of([50, 60], shots=50, test_set="test")
        + rows_of([70, 80], source="URDU", test_set="test")
        + rows_of([40, 60], source="URDU", shots=50, test_set="test")
        + rows_of([99], source="EMOVO", target="EMOVO", test_set="test")
    )
    points = figure2.points(frame, counts_of(frame), experiment)
    assert points[["shots", "uar"]].values.tolist() == [[0, 35], [50, 55], [0, 75], [50, 50]]


def test_figure3_pairs_clean_and_noisy_runs():
    experiment = {"models": ["cnn-lstm", "xlsr"], "source": "EMODB", "targets": ["URDU"], "condition": "noisy"}
    frame = pd.DataFrame(rows_of([60, 70]) + rows_of([50, 64], condition="noisy") + rows_of([55, 55], model="xlsr"))
    bars = figure3.bars(frame, counts_of(frame), experiment).set_index(["model", "condition"])
    assert bars.loc[("cnn-lstm", "noisy"), "change"] == -8
    assert np.isnan(bars.loc[("cnn-lstm", "clean"), "change"])
    assert ("xlsr", "noisy") not in bars.index


def test_comparison_has_the_configured_order():
    experiment = {"models": ["xlsr", "cnn-lstm"], "sources": ["URDU", "EMODB"], "targets": ["EMODB", "URDU"]}
    frame = pd.DataFrame(
        rows_of([40, 50])
        + rows_of([60, 60], model="xlsr", source="URDU", target="EMODB")
        + rows_of([99], test_set="test")
    )
    cells = comparison.cells(frame, counts_of(frame), experiment)
    assert cells[["model", "source", "target", "uar", "seeds"]].values.tolist() == [
        ["xlsr", "URDU", "EMODB", 60, 2],
        ["cnn-lstm", "EMODB", "URDU", 45, 2],
    ]


def test_table2_in_markdown_and_latex():
    detail = detail_of(pd.DataFrame(rows_of([50, 54]) + rows_of([61, 61], model="xlsr")), {})
    titles = {"cnn-lstm": "CNN-LSTM", "xlsr": "XLSR_53"}
    markdown = table2.markdown(detail, titles, ["synthetic | demo"]).splitlines()
    assert markdown[0].startswith("UAR (%), mean of 2 seeds \N{PLUS-MINUS SIGN} 95 % confidence interval; in")
    assert "\N{DAGGER}" not in markdown[0]
    half, other = (f"{width / 2:.2f}" for width in detail["high"] - detail["low"])
    assert markdown[-1] == (
        f"| EMODB | URDU | 52.00 \N{PLUS-MINUS SIGN} {half} (54.15) | 61.00 \N{PLUS-MINUS SIGN} {other} (59.01) |"
    )
    latex = table2.latex(detail, titles, ["100 % synthetic"])
    assert r"Source & Target & CNN-LSTM & XLSR\_53 \\" in latex
    assert r"100 \% synthetic" in latex
    assert rf"52.00 $\pm$ {half} (54.15)" in latex
    one = detail_of(pd.DataFrame(rows_of([50])), {})
    assert table2.markdown(one, titles, []).splitlines()[-1] == "| EMODB | URDU | 50.00 (54.15) |"


def test_measures_by_cell_and_by_model(tmp_path):
    frame = pd.DataFrame(
        rows_of([50, 60], auc=70.0, selected_epoch=5, largest_share=90.0)
        + rows_of([40], source="URDU", target="EMODB", auc=80.0, train_loss=0.1)
        + rows_of([99], test_set="test")
    )
    cells = measures.summary(frame, EXPERIMENT)
    assert cells[[*measures.CELL, "seeds", "uar", *measures.COUNTS]].values.tolist() == [
        ["EMODB", "URDU", "cnn-lstm", 2, 55, 2, 0, 2],
        ["URDU", "EMODB", "cnn-lstm", 1, 40, 0, 0, 0],
    ]
    table = measures.texts(cells, {"cnn-lstm": "CNN-LSTM"})
    row = table.iloc[0]
    assert len(table) == 1
    assert row[["Model", "UAR", "AUC", "training loss"]].tolist() == ["CNN-LSTM", "47.5", "75.0", "0.300"]
    assert row[["last epoch best", "converged", "collapsed"]].tolist() == ["1 of 2", "0 of 2", "1 of 2"]
    measures.draw(table, ["demo"], tmp_path / "drawn.png")
    assert plt.imread(tmp_path / "drawn.png").std() > 0.02


def test_differences_are_paired_means_over_pairs(tmp_path):
    frame = pd.DataFrame(
        rows_of([50, 60])
        + rows_of([40, 40], source="URDU", target="EMODB")
        + rows_of([60, 70], model="xlsr")
        + rows_of([38, 38], model="xlsr", source="URDU", target="EMODB")
    )
    found = differences.differences(counts_of(frame), EXPERIMENT)
    assert found[["model", "minus", "pairs", "seeds"]].values.tolist() == [
        ["cnn-lstm", "", 2, 2],
        ["xlsr", "", 2, 2],
        ["xlsr", "cnn-lstm", 2, 2],
    ]
    assert found["value"].tolist() == pytest.approx([47.5, 51.5, 4])
    mean, _, difference = found.itertuples()
    assert mean.low < 47.5 < mean.high
    assert difference.above == 1
    assert (difference.low, difference.high) == pytest.approx((4, 4))  # in every seed and for both speakers
    table = differences.texts(found, {"cnn-lstm": "CNN-LSTM", "xlsr": "XLSR"})
    assert table.columns.tolist() == ["Model", "Mean UAR", "minus CNN-LSTM"]
    assert table["minus CNN-LSTM"].tolist() == ["", "+4.0 (4.0 to 4.0; 1 of 2)"]
    differences.draw(found, table, ["demo"], tmp_path / "drawn.png")
    assert plt.imread(tmp_path / "drawn.png").std() > 0.02
    one_seed = differences.differences(counts_of(frame[frame["seed"] == 1]), EXPERIMENT)
    assert differences.texts(one_seed, {"cnn-lstm": "CNN-LSTM", "xlsr": "XLSR"}).iloc[1].tolist() == [
        "XLSR",
        "49.0",
        "+4.0 (1 of 2)",
    ]


def test_confusion_matrix_of_known_counts():
    """Pairs have equal weight, whatever their size."""
    fixed = {"model": "m", "source": "S", "seed": 1, "role": "test", "speaker": "a", "shots": 0, "condition": "clean"}
    small = {"target": "T", "emotion": "sad", "angry": 1, "happy": 0, "neutral": 0, "sad": 1}
    large = {"target": "U", "emotion": "sad", "angry": 0, "happy": 0, "neutral": 0, "sad": 90}
    more = large | {"speaker": "b", "happy": 10, "sad": 0}
    counts = pd.DataFrame([fixed | small, fixed | large, fixed | more])
    shares = confusions.matrices(counts, ["model"]).iloc[0]
    assert shares[list(EMOTIONS)].tolist() == [25, 5, 0, 70]
    recalls = confusions.recalls(counts, ["target"]).set_index("target")["recall"]
    assert recalls.to_dict() == {"T": 50, "U": 90}


def test_curves_are_means_over_seeds(tmp_path):
    paths = []
    for seed, uar in ((1, 40), (2, 50)):
        path = tmp_path / f"results/runs/xlsr/A-B-to-any/0-shot/seed{seed}/history.csv"
        files.write_rows(path, ("epoch", "train_loss", "dev_loss", "dev_uar"), [(1, 1.0, 2.0, uar)])
        paths.append(path)
    curves = training_curves.mean_curves(paths)
    assert curves.values.tolist() == [["xlsr", "A-B", 1, 1.0, 2.0, 45.0, 2]]


def test_adaptation_of_one_seed_is_drawn(tmp_path):
    """The demo of the tests has one seed, and draws the other figures."""
    style.set_style()
    titles, path = {"cnn-lstm": "CNN-LSTM", "xlsr": "XLSR"}, tmp_path / "drawn.png"
    frame = pd.DataFrame(
        row
        for model in titles
        for pair in ({}, {"source": "URDU", "target": "EMODB"})
        for where in ({}, {"condition": "calibrated"}, {"condition": "adapted"})
        for row in rows_of([50], model=model, ece=9, **pair, **where)
    )
    cells = adaptation.cells(frame, counts_of(frame), EXPERIMENT)
    adaptation.draw(cells, EXPERIMENT, titles, ["demo"], path)
    assert plt.imread(path).shape[0] > 300


def test_footnotes_are_on_figures_and_in_their_data(tmp_path):
    notes = style.footnotes("synthetic demo", {"EMODB": ["altered (1; 2)"], "URDU": [], "A": ["x", "y"], "B": ["x"]})
    assert notes == ["synthetic demo", "EMODB: altered (1; 2)", "A, B: x", "A: y"]
    notes = notes[:2]
    figure = plt.figure()
    style.save(figure, notes, tmp_path / "drawn.png")
    assert "synthetic demo" in figure.texts[-1].get_text()
    style.write_drawn(pd.DataFrame({"uar": [50.0]}), notes, tmp_path / "drawn.csv")
    assert "synthetic demo; EMODB: altered (1; 2)" in (tmp_path / "drawn.csv").read_text()


def test_unverified_contents_are_noted(tmp_path):
    found = {"A": {"level": "none", "notes": ["altered"]}, "B": {"level": "names", "notes": []}}
    paths = [tmp_path / corpus / "archive.json" for corpus in found]
    for path, verification in zip(paths, found.values(), strict=True):
        files.write_json(path, {"verification": verification})
    notes = style.archive_notes(paths)
    assert notes == {"A": ["altered", "contents not verified"], "B": []}


def test_equal_figures_have_equal_bytes(tmp_path):
    for name in ("a", "b"):
        figure = plt.figure()
        figure.text(0.5, 0.5, "x")
        style.save(figure, [], tmp_path / f"{name}.png", tmp_path / f"{name}.pdf")
    for kind in ("png", "pdf"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
