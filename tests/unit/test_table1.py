"""Table I of made-up runs, and the facts on published checkpoints."""

import pandas as pd
import pytest
import yaml
from conftest import ROOT

from ser.core.encoder_paths import encoder_name
from ser.figures import table1
from ser.models import checkpoints, pretraining_data

MODELS = {
    "cnn-lstm": {"family": "cnn-lstm"},
    "wav2vec2": {"family": "wav2vec2", "checkpoint": "facebook/wav2vec2-base", "tuning": {"method": "lora"}},
    "xlsr": {
        "family": "wav2vec2",
        "checkpoint": "facebook/wav2vec2-large-xlsr-53",
        "revision": "a",
        "tuning": {"method": "frozen"},
    },
    "mine": {"family": "whisper", "checkpoint": "./mine", "tuning": {"method": "lora"}},
    "random": {
        "family": "wav2vec2",
        "checkpoint": "facebook/wav2vec2-base",
        "weights": "random",
        "tuning": {"method": "full"},
    },
}
LANGUAGES = ["English", "Urdu"]
ENGLISH_ONLY, XLSR, XLS_R, MMS, WHISPER, WHISPER_V3 = (
    "facebook/wav2vec2-base",
    "facebook/wav2vec2-large-xlsr-53",
    "facebook/wav2vec2-xls-r-300m",
    "facebook/mms-300m",
    "openai/whisper-medium",
    "openai/whisper-large-v3",
)


@pytest.fixture
def table():
    """Return Table I of models in another order, with distinct parameter counts."""
    order = ["xlsr", "cnn-lstm", "wav2vec2", "random", "mine"]
    counts = {name: {"total": 100 + i, "encoder": 10 + i, "trained": i} for i, name in enumerate(MODELS)}
    counts["cnn-lstm"]["encoder"] = 0
    runs = [{"model": name, "parameters": count} for name, count in counts.items()]
    encoders = {
        "facebook--wav2vec2-base": {"width": 768, "layers": 12, "dropout": [0.0, 0.1]},
        "facebook--wav2vec2-large-xlsr-53-a": {"width": 1024, "layers": 24, "dropout": [0.1]},
        "facebook--wav2vec2-large-xlsr-53-b": {
            "width": 1,
            "layers": 1,
            "dropout": [],
        },  # another revision of the same checkpoint
    }
    models = {name: entry | {"title": name.upper()} for name, entry in MODELS.items()}
    return table1.rows(models, order, runs, encoders, LANGUAGES)


class TestRows:
    """Rows of Table I, from runs, encoders and the publications of checkpoints."""

    def test_order_and_columns(self, table):
        assert table["model"].tolist() == ["xlsr", "cnn-lstm", "wav2vec2", "random", "mine"]
        assert list(table.columns) == table1.columns(LANGUAGES)
        before, after = table.columns.get_loc("languages"), table.columns.get_loc("parameters")
        assert table.columns[before + 1 : after].tolist() == ["seen_English", "seen_Urdu"]

    def test_values(self, table):
        cells = table.set_index("model")
        assert cells.loc["xlsr", ["parameters", "encoder_parameters", "trained_parameters"]].tolist() == [102, 12, 2]
        assert cells.loc["xlsr", ["hidden_size", "layers"]].tolist() == [1024, 24]
        assert cells.loc["random", ["hidden_size", "layers"]].tolist() == [768, 12]
        assert cells.loc["cnn-lstm", ["hidden_size", "layers"]].isna().all()
        assert cells.loc["cnn-lstm", ["tuning", "checkpoint"]].tolist() == ["full", ""]
        assert cells.loc[["xlsr", "wav2vec2", "cnn-lstm"], "dropout"].tolist() == ["0.1", "0, 0.1", ""]

    def test_pretrained_random_and_unknown(self, table):
        cells = table.set_index("model").loc[list(MODELS)]
        assert cells["pretraining_data"].tolist()[:2] == ["none", "LibriSpeech"]
        assert cells["pretraining_data"].tolist()[3:] == ["unknown", "none"]
        assert cells["hours"].fillna(0).tolist() == [0, 960, 56000, 0, 0]
        assert cells["seen_English"].tolist() == ["", "yes", "yes", "unknown", ""]
        assert cells["seen_Urdu"].tolist() == ["", "no", "no", "unknown", ""]
        assert cells["source"].astype(bool).tolist() == [False, True, True, False, False]

    def test_copy_of_a_published_checkpoint_has_its_facts(self):
        entry = MODELS["mine"] | {"title": "Mine", "copy_of": WHISPER}
        runs = [{"model": "mine", "parameters": dict.fromkeys(("total", "encoder", "trained"), 1)}]
        row = table1.rows({"mine": entry}, ["mine"], runs, {}, LANGUAGES).iloc[0]
        assert row[["checkpoint", "seen_Urdu"]].tolist() == [f"local copy of {WHISPER}", "yes"]
        assert row["hours"] == pretraining_data.known()[WHISPER]["hours"]

    def test_labels_that_a_checkpoint_was_fine_tuned_on_are_named(self):
        audeering = "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim"
        models = {
            name: MODELS["mine"] | {"title": name, "checkpoint": name} for name in (audeering, "./mine", "./other")
        }
        runs = [{"model": name, "parameters": dict.fromkeys(("total", "encoder", "trained"), 1)} for name in models]
        labels = {audeering: ["arousal", "valence"], "./mine": ["ang"]}
        encoders = {encoder_name({"checkpoint": name}): {"labels": named} for name, named in labels.items()}
        rows = table1.rows(models, [*models], runs, encoders, LANGUAGES)
        assert rows["fine_tuned_on"].tolist() == [
            "emotion labels of MSP-Podcast (arousal, valence)",
            "labels (ang)",
            "",
        ]

    def test_whole_numbers_and_blanks_in_the_csv(self, table, tmp_path):
        table.to_csv(tmp_path / "table1.csv", index=False)
        read = pd.read_csv(tmp_path / "table1.csv", dtype=str, keep_default_na=False).set_index("model")
        assert read.loc["xlsr", ["hours", "hidden_size", "layers"]].tolist() == ["56000", "1024", "24"]
        assert set(read.loc["cnn-lstm", ["hours", "hidden_size", "layers", "seen_Urdu"]]) == {""}


@pytest.mark.parametrize(
    ("family", "config", "expected"),
    [
        ("whisper", {}, [0]),
        ("whisper", {"dropout": 0.1, "attention_dropout": 0.0, "decoder_layerdrop": 0.3}, [0, 0.1]),
        ("wav2vec2", {"final_dropout": 0.9, "layerdrop": 0.5}, [0, 0.1]),
        (
            "wav2vec2",
            {"hidden_dropout": 0.2, "attention_dropout": 0.2, "activation_dropout": 0.2, "feat_proj_dropout": 0.2},
            [0.2],
        ),
    ],
)
def test_dropouts_of_the_encoder_only(family, config, expected):
    """The transformers defaults fill what a `config.json` leaves out."""
    assert checkpoints.dropouts(config, family) == expected


class TestLanguagesSeen:
    """Languages in the pre-training data."""

    def test_languages_of_the_paper(self):
        """Multilingual LibriSpeech, BABEL and Common Voice of 2020 do not contain Urdu."""
        found = {
            (checkpoint, language): pretraining_data.seen({"checkpoint": checkpoint}, language)
            for checkpoint in (ENGLISH_ONLY, XLSR, XLS_R, MMS, WHISPER, WHISPER_V3)
            for language in ("English", "German", "Italian", "Urdu")
        }
        absent = {(ENGLISH_ONLY, "German"), (ENGLISH_ONLY, "Italian"), (ENGLISH_ONLY, "Urdu"), (XLSR, "Urdu")}
        assert {cell for cell, answer in found.items() if answer == "no"} == absent
        assert set(found.values()) == {"yes", "no"}

    def test_only_complete_lists_answer_no(self):
        assert pretraining_data.seen({"checkpoint": XLSR}, "Yoruba") == "no"
        assert [pretraining_data.seen({"checkpoint": XLSR}, name) for name in ("german", "urdu ")] == ["yes", "no"]
        assert [pretraining_data.seen({"checkpoint": name}, "Cantonese") for name in (WHISPER, WHISPER_V3)] == [
            "no",
            "yes",
        ]
        assert pretraining_data.known()[MMS]["list"] == "partial"

    def test_partial_list(self, monkeypatch):
        lists = {"a": {"seen": {"English": None}, "list": "partial"}, "b": {"seen": {"Urdu": None}, "list": "complete"}}
        monkeypatch.setattr(pretraining_data, "known", lambda: lists)
        pretraining_data.listed_languages.cache_clear()
        answers = [
            pretraining_data.seen({"checkpoint": name}, language) for name in "ab" for language in ("English", "Urdu")
        ]
        pretraining_data.listed_languages.cache_clear()
        assert answers == ["yes", "unknown", "no", "yes"]

    def test_alternative_language_name_is_unknown(self):
        assert {pretraining_data.seen({"checkpoint": name}, "Farsi") for name in (ENGLISH_ONLY, XLSR, MMS)} == {
            "unknown"
        }

    def test_unknown_checkpoint(self):
        assert pretraining_data.seen({"checkpoint": "./mine"}, "English") == "unknown"

    def test_model_without_pretraining(self):
        assert pretraining_data.facts({"family": "cnn-lstm"}) == {"data": "none"}
        random = {"checkpoint": WHISPER, "weights": "random"}
        assert pretraining_data.facts(random) == {"data": "none"}
        assert pretraining_data.seen(random, "English") == "no"


class TestFacts:
    """Completeness of `resources/checkpoints.yaml`."""

    @pytest.mark.parametrize("checkpoint", pretraining_data.known())
    def test_every_checkpoint_has_all_facts(self, checkpoint):
        facts = pretraining_data.known()[checkpoint]
        assert facts["source"]
        assert facts["data"]
        assert facts["list"] in ("complete", "partial")
        assert "English" in facts["seen"]
        assert all(isinstance(name, str) for name in facts["seen"])  # YAML reads `no` as false
        if "/demo/" not in checkpoint:
            assert facts["hours"] > 0

    def test_complete_lists_have_the_published_number_of_names(self):
        """Except for kinds of Chinese and Romansh, XLSR's overlaps and Whisper's counts."""
        names = {
            name: len(pretraining_data.known()[name]["seen"])
            for name in (ENGLISH_ONLY, XLSR, XLS_R, WHISPER, WHISPER_V3)
        }
        assert names == {ENGLISH_ONLY: 1, XLSR: 50, XLS_R: 125, WHISPER: 99, WHISPER_V3: 100}

    def test_xls_r_has_seen_all_languages_of_xlsr(self):
        assert pretraining_data.known()[XLSR]["seen"].keys() <= pretraining_data.known()[XLS_R]["seen"].keys()

    @pytest.mark.parametrize("name", ["wav2vec2", "xlsr", "whisper"])
    def test_demo_encoders_have_seen_the_languages_of_their_recipe(self, name):
        recipe = yaml.safe_load((ROOT / f"demo/checkpoints/{name}.yaml").read_text(encoding="utf-8"))
        assert len(pretraining_data.known()[f"resources/demo/checkpoints/{name}"]["seen"]) == len(recipe["voices"])

    def test_configured_checkpoints_and_languages_are_known(self):
        config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
        used = {entry["checkpoint"] for entry in config["models"].values() if "checkpoint" in entry}
        assert used <= pretraining_data.known().keys()
        languages = {corpus["language"] for corpus in config["corpora"].values()}
        answers = {pretraining_data.seen({"checkpoint": name}, language) for name in used for language in languages}
        assert answers == {"yes", "no"}
