"""What jobs are estimated to cost, and what they ask of Snakemake."""

import json
import math
import re
from itertools import pairwise

import pytest
import yaml
from conftest import ROOT, wav_bytes
from workflow_tools import Workflow

from ser.config import validation
from ser.core import reference_data
from ser.legacy import costs, speech
from ser.legacy.costs import Cost, Encoder, Rates, Speech
from ser.legacy.estimates import Estimates
from ser.models import encoder_classifier, encoders, memory, pretraining_data
from ser.snakemake_support.code_hash import files_behind

SER = ROOT / "workflow" / "scripts" / "ser"
SMALL = Rates(1e6, start_up=1, front_end=0.01, step=0.1, forward=0.05, predict=0.04, update=0.2, training=1e6)
LARGE = Rates(1e8, start_up=3, front_end=0.01, step=10, forward=5, predict=0.04, update=0.2, training=1e8)


def configured(**changes):
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    return validation.load(config | changes)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestInterpolation:
    def test_a_measured_size_is_itself(self):
        assert costs.interpolate([LARGE, SMALL], 1e6) == SMALL
        assert costs.interpolate([LARGE, SMALL], 1e8) == LARGE

    def test_between_logarithms(self):
        middle = costs.interpolate([SMALL, LARGE], 1e7)
        assert middle.step == pytest.approx(1)
        assert middle.training == pytest.approx(1e7)
        assert middle.front_end == pytest.approx(0.01)
        assert middle.start_up == pytest.approx(math.sqrt(3))
        assert middle.frames == 0

    def test_beyond_the_largest_time_and_memory_grow_and_start_up_stays(self):
        larger = costs.interpolate([SMALL, LARGE], 3e8)
        assert (larger.step, larger.training, larger.start_up) == (30, 3e8, 3)

    def test_below_the_smallest_nothing_gets_cheaper(self):
        assert costs.interpolate([SMALL, LARGE], 10) == SMALL


TABLE = costs.Table(
    {
        "cpu": {"process": 1e8, "models": [{"family": "one", **{k: v for k, v in vars(SMALL).items()}}]},
        "rules": {},
        "margins": {"memory": 1.5, "megabytes": 1000, "time": 3, "minutes": {"cpu": 10, "predict": 5}},
        "downloads": 1e6,
        "snakemake": {"start": 0, "job": 0},
        "methods": {
            "lora": {"step": 1, "front_end": 0, "frames": {}},
            "random": {"step": 2, "front_end": 3, "frames": {"one": 64_000}},
        },
    },
    "cpu",
)


def test_what_took_two_cores_takes_one_twice_as_long():
    content = reference_data.read("costs.yaml")
    entry = {"name": "x", "family": "wav2vec2", **vars(LARGE)}
    tables = [
        costs.Table(content | {"cpu": content["cpu"] | {"models": [entry | cores]}}, "cpu")
        for cores in ({}, {"cores": 2})
    ]
    one, two = (table.rates("wav2vec2", 1e8) for table in tables)
    assert (two.step, two.predict, two.start_up) == (2 * one.step, 2 * one.predict, one.start_up)


class TestJobs:
    """Known answers."""

    SOURCE = Speech(utterances=100, seconds=500, longest=20)

    def model(self, method):
        return costs.Model("one", method, Encoder(1_000_000, 10, 2), TABLE.rates("one", 1e6), added=16)

    def test_fine_tuning(self):
        training = {"epochs": 3, "batch_size": 16}
        cost = costs.fine_tuning(TABLE, self.model("lora"), self.SOURCE, None, training, dev_share=0.2)
        # start-up, front end once, steps on 400 s, the development set of 100 s, 5 updates an epoch
        assert cost.seconds == pytest.approx(1 + 5 + 3 * (400 * 0.1 + 100 * 0.05 + 5 * 0.2))
        trained = 10 * 16 * 10 * 2 + 256 * 10
        assert cost.memory == pytest.approx(1e8 + 4e6 + 5 * 4 * trained + 16 * 20 * 1e6)
        assert cost.written == 4 * trained

    def test_samples_of_the_target_come_on_top(self):
        training, samples = {"epochs": 1, "batch_size": 16}, Speech(400, 800, 4).some(200)
        arguments = (TABLE, self.model("lora"), self.SOURCE)
        without = costs.fine_tuning(*arguments, None, training, 0.2)
        with_samples = costs.fine_tuning(*arguments, samples, training, 0.2)
        assert with_samples.seconds - without.seconds == pytest.approx(400 * (0.01 + 0.1) + (18 - 5) * 0.2)

    def test_a_trained_front_end_runs_in_every_epoch(self):
        training = {"epochs": 3, "batch_size": 16}
        cost = costs.fine_tuning(TABLE, self.model("random"), self.SOURCE, None, training, dev_share=0.2)
        assert cost.seconds == pytest.approx(1 + 3 * (400 * (0.2 + 0.03) + 100 * 0.06 + 5 * 0.2))
        assert cost.frames == 500 * 64_000

    def test_whisper_hears_30_seconds_of_everything_or_at_most(self):
        own = costs.Model("whisper", "lora", Encoder(1, 1, 1), SMALL)
        assert own.hears(Speech(10, 100, 40)) == Speech(10, 100, 30)
        stock = costs.Model("whisper", "lora", Encoder(1, 1, 1), SMALL, whole_context=True)
        assert stock.hears(Speech(10, 100, 40)) == Speech(10, 300, 30)


class TestAskedOfSnakemake:
    @pytest.mark.parametrize("attempt", [1, 2, 3])
    def test_margins_grow_with_attempts(self, attempt):
        cost = Cost(seconds=3600, memory=2.01e9)
        assert costs.mem_mb(TABLE, cost, attempt) == attempt * 3100
        assert costs.minutes(TABLE, "finetune", cost, attempt) == attempt * 180

    def test_least(self):
        assert costs.mem_mb(TABLE, Cost(1, 1e6)) == 1000
        assert costs.minutes(TABLE, "finetune", Cost(1, 1e6)) == 10
        assert costs.minutes(TABLE, "predict", Cost(1, 1e6)) == 5  # many are one job of a cluster

    def test_frames_that_are_counted_on_fit_into_their_share(self):
        assert costs.FRAMES_SHARE == memory.SHARE
        assert costs.POOLED_TOGETHER == encoder_classifier.POOLED_TOGETHER
        assert costs.mem_mb(TABLE, Cost(1, memory=5.3e9, frames=5e9)) * 1e6 * memory.SHARE >= 5e9

    def test_more_for_a_larger_model_and_a_longer_corpus(self, here):
        asked = Estimates(configured(device="cpu"))

        def of(model, source):
            wildcards = {"model": model, "source": source, "target": "any", "shots": "0", "seed": "1"}
            return asked.mem_mb("finetune", wildcards, 1), asked.minutes("finetune", wildcards, 1)

        sizes = [of(model, "IEMOCAP") for model in ("cnn-lstm", "wav2vec2", "xlsr")]
        assert all(smaller[i] < larger[i] for smaller, larger in pairwise(sizes) for i in (0, 1))
        assert of("xlsr", "EMODB")[0] < of("xlsr", "IEMOCAP")[0]
        assert of("xlsr", "EMODB")[1] < of("xlsr", "IEMOCAP")[1]

    def test_rules_ask_by_attempt(self, tmp_path, monkeypatch):
        workflow = Workflow(tmp_path / "repository")
        config = yaml.safe_load((ROOT / "demo" / "config" / "config.yaml").read_text(encoding="utf-8"))
        workflow.configure(config)
        run = "results/runs/xlsr/English-to-any/0-shot/seed1/run.json"
        text = workflow.run("--dry-run", "--attempt", "2", run).stdout
        block = text[text.index("rule finetune:") :]
        asked = [int(re.search(rf"{name}=(\d+)", block)[1]) for name in ("mem_mb", "runtime")]
        monkeypatch.chdir(workflow.directory)
        estimates = Estimates(validation.load(config))
        wildcards = {"model": "xlsr", "source": "English", "target": "any", "shots": "0", "seed": "1"}
        assert asked == [estimates.mem_mb("finetune", wildcards, 2), estimates.minutes("finetune", wildcards, 2)]
        assert asked == [2000, 20]  # tiny encoders take little

    def test_nothing_of_it_is_among_what_reruns(self):
        for path in (ROOT / "workflow" / "rules").glob("*.smk"):
            for params in re.findall(r"\n    params:(.*?)\n    \w+:", path.read_text(encoding="utf-8"), re.DOTALL):
                assert not re.search("estimates|memory_of|minutes_of", params)
        scripts = (ROOT / "workflow" / "scripts").glob("*.py")
        jobs = [path for path in scripts if "job.run(" in path.read_text(encoding="utf-8")]
        assert len(jobs) > 20
        for path in jobs:
            behind = files_behind(str(path.relative_to(ROOT)))
            assert not {SER / f"{name}.py" for name in ("costs", "estimates", "speech", "encoders")} & {*behind}


class TestSpeech:
    MINE = {"format": "table", "path": "mine.csv"}  # noqa: RUF012

    def test_published(self):
        found, words = speech.expected("IEMOCAP", {"format": "iemocap", "path": "somewhere"})
        assert found == Speech(5531, 25160, 34.1)
        assert "as published" in words
        emodb = {"format": "emodb", "path": None}
        assert speech.expected("EMODB", emodb | {"boredom": "sad"})[0].utterances == 420
        assert speech.expected("EMODB", emodb | {"boredom": "drop"})[0].utterances == 339

    def test_ingested_outweighs_published_and_is_read_again_when_it_changes(self, here):
        asked = Estimates(configured())
        assert asked.speech("EMODB").utterances == 420
        path = here / "results" / "corpora" / "EMODB" / "utterances.csv"
        path.parent.mkdir(parents=True)
        path.write_text("utterance,seconds\na,1.5\nb,2.5\n", encoding="utf-8")
        assert asked.speech("EMODB") == Speech(2, 4.0, 2.5)
        path.write_text("utterance,seconds\na,1.5\nb,2.5\nc,10\n", encoding="utf-8")
        assert asked.speech("EMODB") == Speech(3, 14.0, 10.0)
        path.write_text("no table", encoding="utf-8")
        assert asked.speech("EMODB").utterances == 420

    def test_a_table_by_the_headers_of_its_files(self, here):
        for i in range(60):
            (here / f"{i}.wav").write_bytes(wav_bytes([0.0] * (8000 if i % 2 else 16_000), 16_000))
        rows = "".join(f"{i}.wav,s,angry\n" for i in range(60))
        (here / "mine.csv").write_text("file,speaker,emotion\n" + rows, encoding="utf-8")
        found, words = speech.expected("MINE", self.MINE)
        assert found.utterances == 60
        assert found.seconds == pytest.approx(45, rel=0.35)
        assert found.longest > 1.5  # guessed: not all were looked at
        assert "headers of 20 of its files" in words
        (here / "mine.csv").write_text("file,speaker,emotion\n" + rows[: rows.index("10.wav")], encoding="utf-8")
        assert speech.expected("MINE", self.MINE)[0] == Speech(10, 7.5, 1.0)

    def test_otherwise_assumed_and_said(self, here):
        assert speech.expected("MINE", self.MINE) == (speech.ASSUMED, speech.expected("MINE", self.MINE)[1])
        assert "assumed" in speech.expected("MINE", self.MINE)[1]


class TestEncoders:
    def test_every_checkpoint_of_the_facts_has_a_size(self):
        for name, known in pretraining_data.known().items():
            assert known["parameters"] > 0, name
            assert known.get("bytes", 0) > known["parameters"] or "/demo/" in name, name
        assert reference_data.read("checkpoints.yaml") == pretraining_data.known()

    @pytest.mark.parametrize(
        ("name", "config"),
        [
            ("facebook/wav2vec2-base", {"model_type": "wav2vec2"}),
            (
                "facebook/wav2vec2-large-xlsr-53",
                {
                    "model_type": "wav2vec2",
                    "hidden_size": 1024,
                    "num_hidden_layers": 24,
                    "intermediate_size": 4096,
                },
            ),
            ("openai/whisper-tiny", {"model_type": "whisper"}),
            (
                "openai/whisper-medium",
                {"model_type": "whisper", "d_model": 1024, "encoder_layers": 24, "encoder_ffn_dim": 4096},
            ),
        ],
    )
    def test_a_local_checkpoint_says_its_size(self, here, name, config):
        (here / "mine").mkdir()
        (here / "mine" / "config.json").write_text(json.dumps(config), encoding="utf-8")
        found, words = encoders.expected({"checkpoint": "mine"})
        known = pretraining_data.known()[name]
        assert found.parameters == pytest.approx(known["parameters"], rel=0.01)
        assert (found.width, found.layers) == (known["width"], known["layers"])
        assert words == ""

    @pytest.mark.parametrize("content", ["{}", "[]", "no JSON", '{"model_type": "wav2vec2", "hidden_size": "wide"}'])
    def test_an_unknown_one_is_taken_for_large_and_that_is_said(self, here, content):
        (here / "mine").mkdir()
        (here / "mine" / "config.json").write_text(content, encoding="utf-8")
        for checkpoint in ("mine", "somebody/model"):
            found, words = encoders.expected({"checkpoint": checkpoint, "revision": "a" * 40})
            assert found.parameters == 315_000_000
            assert f"{checkpoint}: of unknown size, taken for a large encoder" in words

    def test_a_fetched_one_was_counted(self, here):
        asked = Estimates(configured())
        folder = here / "resources" / "encoders" / asked._folders["xlsr"]
        folder.mkdir(parents=True)
        (folder / "revision.json").write_text('{"parameters": 7, "width": 2, "layers": 1}', encoding="utf-8")
        assert asked.model("xlsr").encoder == Encoder(7, 2, 1)


def test_a_head_on_a_frozen_encoder_takes_little_however_large_the_encoder(here):
    estimates = Estimates(configured(device="cpu"))
    wildcards = {"model": "xlsr-frozen", "source": "IEMOCAP", "target": "any", "shots": "0"}
    assert estimates.of("finetune", wildcards).memory < 1e9
    encoding = encoders.encoding_name(configured()["models"]["xlsr-frozen"])
    pooling = {"corpus": "IEMOCAP", "condition": "clean", "encoding": encoding}
    assert estimates.of("pooled", pooling).memory > 4 * 315e6


class TestOnAGpu:
    def test_what_was_not_measured_is_arithmetic(self):
        table = costs.Table(reference_data.read("costs.yaml"), "gpu")
        rates = table.rates("wav2vec2", 315e6)
        assert rates.measured == ""
        assert rates.step == pytest.approx(4 * 50 * 315e6 / 100e12)
        assert rates.frames == pytest.approx(102_400)

    def test_a_measured_model_takes_its_place(self):
        content = reference_data.read("costs.yaml")
        entry = {"name": "x", "family": "wav2vec2", **{k: v for k, v in vars(LARGE).items()}, "measured": "a GPU"}
        measured = costs.Table(content | {"gpu": content["gpu"] | {"models": [entry]}}, "gpu")
        assert measured.rates("wav2vec2", 1e8).measured == "a GPU"
        assert measured.rates("whisper", 1e8).measured == ""
