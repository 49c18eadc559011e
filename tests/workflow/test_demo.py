"""Reduced demo from speech synthesis to tables and figures, and repeated jobs."""

import hashlib
import re
import zipfile
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from ser.core.constants import EMOTIONS, UTTERANCE_COLUMNS
from ser.core.files import read_json, read_rows
from ser.core.metrics import unweighted_average_recall
from ser.core.paths import RunId

FIGURES = ("figures/figure2", "figures/figure3")
PAIRS = [("English", "German"), ("English", "Italian"), ("German", "English"), ("German", "Italian")]


@pytest.fixture(scope="module")
def demo(finished_demo, tmp_path_factory):
    """Return a copy of the finished demo, which tests may change."""
    return finished_demo.copy(tmp_path_factory.mktemp("disturbed") / "repository")


@pytest.fixture
def results(demo):
    return demo.directory / "results"


class TestResults:
    """Results of the demo, and their agreement with each other."""

    def test_corpora(self, results):
        counts = {"English": 240, "German": 240, "Italian": 240}
        for corpus, utterances in counts.items():
            rows = read_rows(results / f"corpora/{corpus}/utterances.csv")
            assert tuple(rows[0]) == UTTERANCE_COLUMNS
            assert Counter(row["emotion"] for row in rows) == dict.fromkeys(EMOTIONS, utterances // 4)
            audio = np.load(results / f"corpora/{corpus}/clean/audio.npy", mmap_mode="r")
            assert audio.dtype == np.int16
            assert len(audio) == sum(int(row["samples"]) for row in rows)
            assert read_json(results / f"corpora/{corpus}/audit.json")["utterances"] == utterances
        assert {row["speaker"] for row in read_rows(results / "corpora/German/utterances.csv")} >= {"03", "08"}
        assert not (results / "corpora/Urdu").exists()

    def test_measured_snr(self, results):
        rows = read_rows(results / "corpora/German/noisy/mixing.csv")
        clean = np.load(results / "corpora/German/clean/audio.npy").astype(float)
        noisy = np.load(results / "corpora/German/noisy/audio.npy").astype(float)
        for row, mixing in zip(read_rows(results / "corpora/German/utterances.csv"), rows, strict=True):
            part = slice(int(row["start"]), int(row["start"]) + int(row["samples"]))
            speech = float(mixing["gain"]) * clean[part]
            measured = 10 * np.log10(np.var(speech) / np.var(noisy[part] - speech))
            assert measured == pytest.approx(10, abs=0.01)
            assert float(mixing["snr_db"]) == pytest.approx(measured, abs=1e-3)
        assert len({row["environment"] for row in rows}) == 5

    def test_zero_shot_runs_are_shared(self, results):
        written = results.glob("runs/cnn-lstm/**/run.json")
        runs = sorted(str(path.parent.relative_to(results / "runs")) for path in written)
        assert runs == [
            "cnn-lstm/English-to-German/50-shot/seed1",
            *(f"cnn-lstm/{source}-to-any/0-shot/seed1" for source in ("English", "German")),
        ]
        folder = results / "runs" / runs[0]
        assert {path.name for path in folder.iterdir()} == {"weights.safetensors", "history.csv", "run.json"}
        run = read_json(folder / "run.json")
        history = read_rows(folder / "history.csv")
        assert len(history) == run["settings"]["training"]["epochs"] == 3
        assert run["dev_uar"] == max(float(row["dev_uar"]) for row in history)
        zero_shot = read_json(results / "runs" / runs[1] / "run.json")
        assert run["train_utterances"] == zero_shot["train_utterances"] + 50

    def test_predictions_are_complete_and_give_the_scores(self, results):
        scores = pd.read_csv(results / "scores.csv")
        for row in scores.itertuples():
            run = RunId.of(row.model, row.source, row.target, row.shots, row.seed)
            predictions = pd.read_csv(results / f"predictions/{run.path}.csv")
            predictions = predictions[
                (predictions["target"] == row.target) & (predictions["condition"] == row.condition)
            ]
            corpus = read_rows(results / f"corpora/{row.target}/utterances.csv")
            assert predictions["utterance"].tolist() == [utterance["utterance"] for utterance in corpus]
            probabilities = predictions[list(EMOTIONS)]
            np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
            assert (probabilities.idxmax(axis=1) == predictions["predicted"]).all()
            if row.test_set == "test":
                split = pd.read_csv(results / f"splits/{row.target}/seed{row.seed}/target.csv")
                predictions = predictions[(split["role"] == "test").values]
            assert row.n == len(predictions)
            expected = unweighted_average_recall(predictions["emotion"], predictions["predicted"])
            assert row.uar == pytest.approx(expected, abs=1e-4)
        assert set(scores.loc[scores["shots"] > 0, "test_set"]) == {"test"}

    def test_table2(self, results):
        table = pd.read_csv(results / "tables/table2.csv")
        assert list(table.columns) == ["source", "target", "cnn-lstm", "xlsr"]
        assert list(zip(table["source"], table["target"], strict=True)) == PAIRS
        scores = pd.read_csv(results / "scores.csv").query("condition == 'clean' and test_set == 'all'")
        for row in table.itertuples():
            pair_scores = scores[(scores["source"] == row.source) & (scores["target"] == row.target)]
            for position, model in ((3, "cnn-lstm"), (4, "xlsr")):
                model_scores = pair_scores[pair_scores["model"] == model]
                assert len(model_scores) == 1
                assert row[position] == pytest.approx(model_scores["uar"].mean(), abs=1e-3)
        detail = pd.read_csv(results / "tables/table2_detail.csv")
        assert (detail["seeds"] == 1).all()
        assert detail["paper"].isna().all()  # the paper has no synthetic corpora

    def test_results_have_the_label_of_the_demo(self, results):
        for name in ("tables/table1", "tables/table2_detail", "tables/tuning_detail", "figures/tuning", *FIGURES):
            notes = pd.read_csv(results / f"{name}.csv")["note"]
            assert notes.str.startswith("synthetic demo").all()
            assert notes.str.endswith("contents not verified").all() or name == "tables/table1"

    def test_figures(self, results):
        figure2 = pd.read_csv(results / "figures/figure2.csv")
        assert figure2[["target", "shots"]].values.tolist() == [["German", 0], ["German", 50]]
        split = pd.read_csv(results / "splits/German/seed1/target.csv")
        assert figure2["n"].tolist() == [(split["role"] == "test").sum()] * 2
        figure3 = pd.read_csv(results / "figures/figure3.csv")
        assert figure3["condition"].tolist() == ["clean", "noisy"] * 2
        assert figure3["change"][1] == pytest.approx(figure3["uar"][1] - figure3["uar"][0], abs=1e-3)
        tables = (f"tables/{name}" for name in ("table1", "table2", "random_init", "tuning"))
        for name in (*tables, *FIGURES, "figures/random_init", "figures/tuning"):
            assert plt.imread(results / f"{name}.png").std() > 0.02

    def test_table1(self, demo, results):
        """Parameter counts equal those of the encoder and weight files."""
        table = pd.read_csv(results / "tables/table1.csv", keep_default_na=False).set_index("model")
        row = table.loc["cnn-lstm"]
        assert row["pretraining_data"] == "none"
        assert row["parameters"] == row["trained_parameters"] > 100_000
        encoder = load_file(demo.directory / "resources/encoders/resources--demo--checkpoints--xlsr/model.safetensors")
        count = sum(tensor.numel() for tensor in encoder.values())
        for model in ("xlsr", "xlsr-frozen"):
            weights = load_file(results / f"runs/{model}/English-to-any/0-shot/seed1/weights.safetensors")
            trained = sum(tensor.numel() for tensor in weights.values())
            row = table.loc[model]
            assert row[["encoder_parameters", "trained_parameters"]].tolist() == [count, trained]
            assert row["parameters"] == count + trained
            assert (trained == head_of(64)) == (model == "xlsr-frozen")
        random = table.loc["wav2vec2-random"]
        assert random["parameters"] == random["trained_parameters"] == random["encoder_parameters"] + head_of(32)
        assert random["pretraining_data"] == "none"

    def test_comparisons(self, results):
        """Tables and figures of `tuning` and `random_init` show the mean scores."""
        scores = pd.read_csv(results / "scores.csv").query("test_set == 'all' and condition == 'clean' and shots == 0")
        pair_scores = scores.query("source == 'English' and target == 'German'")
        means = pair_scores.groupby("model")["uar"].mean()
        for experiment, models in (
            ("tuning", ["xlsr-frozen", "xlsr"]),
            ("random_init", ["cnn-lstm", "wav2vec2-random"]),
        ):
            table = pd.read_csv(results / f"tables/{experiment}.csv")
            assert table.columns.tolist() == ["source", "target", *models]
            drawn = pd.read_csv(results / f"figures/{experiment}.csv")
            assert drawn["model"].tolist() == models
            compared = pd.read_csv(results / f"tables/{experiment}_differences.csv")
            levels = compared[compared["minus"].isna()]
            for values in (table.iloc[0, 2:], drawn["uar"], levels["value"]):
                assert values.tolist() == pytest.approx(means[models].tolist(), abs=1e-3)
            assert len(compared) == len(models) * (len(models) + 1) / 2

    def test_encoder_records_its_checkpoint(self, demo):
        folder = demo.directory / "resources/encoders/resources--demo--checkpoints--xlsr"
        record = read_json(folder / "revision.json")
        assert record["checkpoint"] == "resources/demo/checkpoints/xlsr"
        assert (record["revision"], record["width"], record["layers"], record["labels"]) == (None, 64, 2, [])
        assert record["sha256"] == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()

    def test_provenance_counts_the_jobs(self, results):
        costs = read_json(results / "provenance.json")["costs"]
        counted = {rule: costs[rule]["jobs"] for rule in ("finetune", "predict")}
        assert counted == dict.fromkeys(counted, len(list(results.glob("runs/**/run.json"))))

    def test_cross_language_uar_is_above_chance(self, results):
        """Permutation test within prediction files: mean UAR against 2000 permutations."""
        rng = np.random.default_rng(0)
        observed, shuffled = [], []
        for source, target in PAIRS:
            predictions = pd.read_csv(results / f"predictions/cnn-lstm/{source}-to-any/0-shot/seed1.csv")
            predictions = predictions[(predictions["target"] == target) & (predictions["condition"] == "clean")]
            truth = predictions["emotion"].to_numpy()
            predicted = predictions["predicted"].to_numpy()
            observed.append(unweighted_average_recall(truth, predicted))
            shuffled.append([unweighted_average_recall(truth, rng.permutation(predicted)) for _ in range(2000)])
        p = (1 + np.sum(np.mean(shuffled, axis=0) >= np.mean(observed))) / 2001
        assert p < 0.001
        within = [
            read_json(results / f"runs/cnn-lstm/{source}-to-any/0-shot/seed1/run.json")["dev_uar"]
            for source in ("English", "German")
        ]
        assert np.mean(within) > np.mean(observed)


def head_of(width: int) -> int:
    """Return the parameters of a classification head on embeddings of a width."""
    return width * 256 + 256 + 256 * 4 + 4


RECORD_OPENED_FILES = """
import os, sys

LOG = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def record(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        os.write(LOG, f"{{os.getpid()}} {{os.path.abspath(os.fsdecode(arguments[0]))}}\\n".encode())


sys.addaudithook(record)
"""


class TestGap:
    """Training within a language and on all others."""

    CELL = {"models": ["cnn-lstm"], "targets": ["German"]}  # noqa: RUF012

    @pytest.fixture(scope="class")
    @classmethod
    def workflow(cls, finished_demo, tmp_path_factory):
        """Return a copy to which the experiments were added, with a log of all files that its jobs opened."""
        folder = tmp_path_factory.mktemp("gap")
        workflow = finished_demo.copy(folder / "repository")
        config = workflow.config()
        config["experiments"]["within"] = cls.CELL | {"shots": [0, 50]}
        config["experiments"]["leave_one_language_out"] = cls.CELL | {
            "sources": ["English", "German", "Italian"],
            "balanced": True,
        }
        workflow.configure(config)
        hook = RECORD_OPENED_FILES.format(log=str(folder / "opened"))
        (folder / "hook").mkdir()
        (folder / "hook" / "sitecustomize.py").write_text(hook)
        workflow.environment = finished_demo.environment | {"PYTHONPATH": str(folder / "hook")}
        workflow.opened = folder / "opened"
        workflow.run("--cores", "2", "results/tables/gap.csv", "results/figures/figure2.csv")
        return workflow

    @staticmethod
    def corpora_opened_by(workflow, run: str) -> set[str]:
        """Return the corpora of which a training job opened files."""
        lines = [line.split(" ", 1) for line in workflow.opened.read_text().splitlines()]
        (job,) = {process for process, path in lines if f"/results/runs/{run}/" in path and "history" in path}
        own = [path for process, path in lines if process == job]
        return {found[1] for path in own if (found := re.search(r"/results/(?:corpora|splits|fewshot)/([^/]+)/", path))}

    def test_training_opens_no_file_of_another_corpus(self, workflow):
        """A zero-shot run cannot have seen its target: it opens none of its files."""
        expected = {"all-but-German-to-any": {"English", "Italian"}, "German-to-German": {"German"}}
        for pair, corpora in expected.items():
            assert self.corpora_opened_by(workflow, f"cnn-lstm/{pair}/0-shot/seed1") == corpora

    def test_balanced_sources(self, workflow):
        run = read_json(workflow.directory / "results/runs/cnn-lstm/all-but-German-to-any/0-shot/seed1/run.json")
        splits = [
            read_rows(workflow.directory / f"results/splits/{corpus}/seed1/source.csv")
            for corpus in ("English", "Italian")
        ]
        sizes = [sum(row["role"] == "train" for row in rows) for rows in splits]
        assert run["train_utterances"] == 2 * min(sizes)

    def test_levels_are_scored_on_the_same_test_speakers(self, workflow):
        table = pd.read_csv(workflow.directory / "results/tables/gap.csv")
        assert set(table["target"]) == {"German"}
        shown = dict(zip(table["quantity"], table["source"], strict=True))
        assert shown["within"] == "German"
        assert shown["best single source"] == "English"
        assert shown["all other languages"] == "all-but-German"
        points = pd.read_csv(workflow.directory / "results/figures/figure2.csv")
        assert points["n"].nunique() == 1
        assert list(points["source"]) == ["English", "English", "German", "German"]
        assert list(points["shots"]) == [0, 50, 0, 50]
        scores = pd.read_csv(workflow.directory / "results/scores/within.csv")
        assert set(scores["test_set"]) == {"test"}


def test_report_needs_no_network(demo):
    """The report contains tables, figures and verdicts, and no external links."""
    demo.run("--report", "results/report.zip")
    with zipfile.ZipFile(demo.directory / "results/report.zip") as archive:
        pictures = Counter(name.rpartition("/")[2] for name in archive.namelist())
        page = archive.read("report/report.html").decode()
    assert {
        "table1.png",
        "table2.png",
        "table2_measures.png",
        "table2_differences.png",
        "figure2.png",
        "figure3.png",
        "claims.png",
    } <= pictures.keys()
    assert pictures["audit.png"] == 3
    assert "synthetic demo</strong>" in page  # captions read the configuration
    assert "mean over 1 seeds" in page
    assert not re.search(r"""<(?:script|link|img)[^>]+(?:src|href)=["']?(?:https?:)?//""", page)


class TestRepeated:
    """Failed and repeated jobs."""

    def test_speech_is_reproducible(self, demo):
        """By default, eSpeak takes its seed from the clock."""
        path = demo.directory / "resources/demo/emodb.zip"
        before = path.read_bytes()
        demo.run("--cores", "1", "--force", "resources/demo/emodb.zip")
        assert path.read_bytes() == before

    def test_failed_training_reports_its_run_and_leaves_no_files(self, demo, results):
        before = demo.config()
        config = demo.config()
        config["models"]["failing"] = config["models"]["cnn-lstm"] | {"training": {"learning_rate": 1.0e30}}
        demo.configure(config)
        try:
            folder = results / "runs/failing/English-to-any/0-shot/seed1"
            target = str((folder / "weights.safetensors").relative_to(demo.directory))
            result = demo.run("--cores", "1", target, check=False)
        finally:
            demo.configure(before)
        assert result.returncode != 0
        run = "failing, English to any, 0 shots, seed 1"
        assert f"{run}: the loss is NaN or infinite in epoch 1: training diverged. Lower the model's" in result.stdout
        assert "Traceback" not in result.stdout
        assert not folder.exists() or not list(folder.iterdir())
