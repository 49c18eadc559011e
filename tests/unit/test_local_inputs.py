"""Missing local inputs of the configuration, listed at once before planning."""

import copy
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from ser.config import local_inputs, validation
from ser.core.errors import UserError
from ser.core.files import write_json

PAPER = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Change to an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def config():
    """Return a copy of the paper's configuration."""
    return copy.deepcopy(PAPER)


def reported(config):
    """Return the entries of the error message, or an empty list."""
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


def test_downloads_are_not_reported(config):
    assert reported(config) == []


def test_folder_in_place_of_a_csv_is_reported(config, here):
    config["corpora"]["URDU"] = {"format": "table", "language": "Urdu", "path": "recordings"}
    make("recordings/a.wav")
    assert reported(config) == [
        f"corpora.URDU.path: recordings is a folder. Set it to the CSV of your corpus, absolute or relative to {here}"
    ]


def test_all_missing_inputs_are_listed_at_once(config, here):
    config["corpora"]["IEMOCAP"]["path"] = "IEMOCAP_full_release"
    config["corpora"]["EMODB"]["path"] = "/data/emodb.zip"
    config["corpora"]["URDU"] = {"format": "table", "language": "Urdu", "path": "urdu.csv"}
    config["noise"]["path"] = "DEMAND"
    config["models"]["xlsr"] |= {"checkpoint": "./my-xlsr", "revision": None}
    iemocap, emodb, urdu, *noise, checkpoint = reported(config)
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
    repository = "if it is a Hugging Face repository, set `revision` to one of its commits"
    expected = f"does not exist. Set it to a folder in Hugging Face format, {place}; {repository}"
    assert checkpoint == f"models.xlsr.checkpoint: ./my-xlsr {expected}"


def test_existing_inputs_are_not_reported(config):
    make("emodb.zip")
    make("my-xlsr/config.json")
    make("my-xlsr/model.safetensors")
    first, *others = PAPER["conditions"]["noisy"]["environments"]
    make(f"DEMAND/{first}/ch01.wav")
    for name in others:
        make(f"DEMAND/{name}_16k.zip")
    config["corpora"]["EMODB"]["path"] = "emodb.zip"
    config["noise"]["path"] = "DEMAND"
    config["models"]["xlsr"] |= {"checkpoint": "./my-xlsr", "revision": None}
    assert reported(config) == []


def test_checkpoint_without_weights_is_reported_even_if_converted(config):
    make("my-xlsr/config.json")
    make("resources/encoders/my-xlsr/model.safetensors")
    config["models"]["xlsr"] |= {"checkpoint": "./my-xlsr", "revision": None}
    (problem,) = [text for text in reported(config) if text.startswith("models.")]
    assert problem.startswith(
        "models.xlsr.checkpoint: ./my-xlsr has no weights. Restore them, or remove the folder too"
    )


def test_missing_inputs_with_results_are_accepted(config):
    config["corpora"]["EMODB"]["path"] = "gone.zip"
    config["models"]["xlsr"] |= {"checkpoint": "./gone", "revision": None}
    make("results/corpora/EMODB/utterances.csv")
    make("resources/encoders/gone/model.safetensors")
    settings = local_inputs.ingestion_settings(validation.load(copy.deepcopy(config))["corpora"]["EMODB"])
    write_json("results/corpora/EMODB/archive.json", {"settings": settings})
    assert reported(config) == []
    missing = [text.split(":")[0] for text in local_inputs.missing_with_results(validation.load(config))]
    assert missing == ["corpora.EMODB.path", "models.xlsr.checkpoint"]
    config["corpora"]["EMODB"]["trim_db"] = 40  # Snakemake would not ingest it again
    (problem,) = reported(config)
    assert problem.startswith("corpora.EMODB.path: gone.zip does not exist, and EMODB was ingested with other settings")
    assert problem.endswith(", or undo the edit of corpora.EMODB")


def test_recordings_that_are_gone_are_reported_before_their_results_are_lost(config):
    config["corpora"]["EMODB"]["path"] = "mount"
    config["corpora"]["URDU"] = {"format": "table", "language": "Urdu", "path": "urdu.csv"}
    Path("mount").mkdir()
    Path("urdu.csv").write_text("file,speaker,emotion\na.wav,1,sad\n")
    assert reported(config) == []  # nothing was made from them, and ingestion says what is wrong
    for corpus in ("EMODB", "URDU"):
        make(f"results/corpora/{corpus}/utterances.csv")
    remedy = "Restore the recordings, or remove the path too: what was already made from them is then used"
    assert reported(config) == [
        f"corpora.EMODB.path: mount contains none of the corpus's files. {remedy}",
        f"corpora.URDU.path: urdu.csv lists a.wav, which does not exist. {remedy}",
    ]
    make("a.wav")
    make("mount/wav/03a01Fa.wav")
    assert reported(config) == []


def test_unused_inputs_may_be_missing(config):
    config["corpora"]["mine"] = {"format": "table", "language": "Welsh", "path": "welsh.csv"}
    config["models"]["mine"] = config["models"]["xlsr"] | {"checkpoint": "./mine", "revision": None}
    config["noise"]["path"] = "DEMAND"
    config["experiments"] |= {"figure3": None, "figure3_converged": None}
    assert reported(config) == []
