"""Local inputs that the configuration names and that do not exist: listed at once, before any plan."""

import copy
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from ser.config import local_inputs, validation
from ser.core.errors import UserError

PAPER = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
NOISY = "results/corpora/{}/noisy/audio.npy"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def config():
    """The paper's configuration, to be edited before `problems` completes it."""
    return copy.deepcopy(PAPER)


def problems(config):
    """Return the refused entries, line by line."""
    try:
        local_inputs.check_local_inputs(validation.load(config))
    except UserError as error:
        title, *lines = str(error).splitlines()
        assert title == "the configuration cannot be used:"
        return [line.removeprefix("  - ") for line in lines]
    return []


def make(path):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).touch()


def test_what_is_downloaded_is_not_missing(config):
    assert problems(config) == []


def test_everything_missing_is_named_at_once(config, here):
    config["corpora"]["IEMOCAP"]["path"] = "IEMOCAP_full_release"
    config["corpora"]["EMODB"]["path"] = "/data/emodb.zip"
    config["corpora"]["URDU"] = {"format": "table", "language": "Urdu", "path": "urdu.csv"}
    config["noise"]["path"] = "DEMAND"
    config["models"]["xlsr"] |= {"checkpoint": "./my-xlsr"}
    iemocap, emodb, urdu, *noise, checkpoint = problems(config)
    place = f"absolute or relative to {here}"
    copy_of_corpus = f"does not exist. Set it to your folder or archive, {place}"
    assert iemocap == f"corpora.IEMOCAP.path: IEMOCAP_full_release {copy_of_corpus}"
    assert emodb == f"corpora.EMODB.path: /data/emodb.zip {copy_of_corpus}"
    assert urdu == f"corpora.URDU.path: urdu.csv does not exist. Set it to the CSV of your corpus, {place}"
    remedy = "Correct the path, or set it to null to download"
    assert noise == [
        f"noise.path: DEMAND holds neither {name}_16k.zip nor {name}/ch01.wav. {remedy}"
        for name in PAPER["conditions"]["noisy"]["environments"]
    ]
    expected = f"does not exist. Set it to a folder in Hugging Face format, {place}"
    assert checkpoint == f"models.xlsr.checkpoint: ./my-xlsr {expected}"


def test_what_is_there_is_not_missing(config):
    make("emodb.zip")
    make("my-xlsr/config.json")
    first, *others = PAPER["conditions"]["noisy"]["environments"]
    make(f"DEMAND/{first}/ch01.wav")
    for name in others:
        make(f"DEMAND/{name}_16k.zip")
    config["corpora"]["EMODB"]["path"] = "emodb.zip"
    config["noise"]["path"] = "DEMAND"
    config["models"]["xlsr"] |= {"checkpoint": "./my-xlsr"}
    assert problems(config) == []


def test_what_was_made_of_a_copy_outlives_it(config):
    config["corpora"]["EMODB"]["path"] = "gone.zip"
    config["noise"]["path"] = "gone"
    config["models"]["xlsr"] |= {"checkpoint": "./gone"}
    make("results/corpora/EMODB/utterances.csv")
    make("resources/encoders/gone-" + config["models"]["xlsr"]["revision"][:12] + "/model.safetensors")
    *targets, last = config["experiments"]["figure3"]["targets"]
    for target in targets:
        make(NOISY.format(target))
    assert len(problems(config)) == len(PAPER["conditions"]["noisy"]["environments"])
    make(NOISY.format(last))
    assert problems(config) == []
    gone = [text.split(":")[0] for text in local_inputs.missing_with_results(validation.load(config))]
    environments = PAPER["conditions"]["noisy"]["environments"]
    assert gone == ["corpora.EMODB.path", *["noise.path"] * len(environments), "models.xlsr.checkpoint"]


def test_what_no_experiment_uses_may_be_missing(config):
    config["corpora"]["mine"] = {"format": "table", "language": "Welsh", "path": "welsh.csv"}
    config["models"]["mine"] = config["models"]["xlsr"] | {"checkpoint": "./mine"}
    config["noise"]["path"] = "DEMAND"
    config["experiments"]["figure3"] = None
    assert problems(config) == []
