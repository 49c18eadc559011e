"""Encoders out of small random checkpoints in Hugging Face format: safetensors and pickles, both families."""

import hashlib
import json

import pytest
import torch
import yaml
from conftest import ROOT
from safetensors.torch import load_file
from small_checkpoints import GROUP_NORM, LAYER_NORM, SMALL_WAV2VEC2, SMALL_WHISPER
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2Model, WhisperConfig, WhisperForConditionalGeneration
from workflow_tools import Workflow

from ser import checkpoints
from ser.errors import UserError

SETTINGS = {"config.json": '{"model_type": "wav2vec2"}', "preprocessor_config.json": "{}"}


def save(model, folder, kind):
    """Save a model as the hub keeps it: safetensors, or the older pickle."""
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text("{}")
    if kind == "pickle":
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()


@pytest.mark.parametrize("kind", ["safetensors", "pickle"])
class TestEncoder:
    """The encoder's tensors, all of them and nothing else, under the names of the encoder alone."""

    @pytest.mark.parametrize("norm", [GROUP_NORM, LAYER_NORM])
    def test_wav2vec2(self, tmp_path, kind, norm):
        model = Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2 | norm))
        save(model, tmp_path, kind)
        encoder = checkpoints.read_encoder(tmp_path, "wav2vec2")
        alone = Wav2Vec2Model(model.config)
        assert alone.load_state_dict(encoder).missing_keys == []
        for name, tensor in model.wav2vec2.state_dict().items():
            assert torch.equal(alone.state_dict()[name], tensor)
        assert not any(name.startswith("lm_head") for name in encoder)

    def test_whisper(self, tmp_path, kind):
        model = WhisperForConditionalGeneration(WhisperConfig(**SMALL_WHISPER))
        save(model, tmp_path, kind)
        encoder = checkpoints.read_encoder(tmp_path, "whisper")
        assert encoder.keys() == model.model.encoder.state_dict().keys()
        for name, tensor in model.model.encoder.state_dict().items():
            assert torch.equal(encoder[name], tensor)

    def test_another_family_is_refused(self, tmp_path, kind):
        save(Wav2Vec2Model(Wav2Vec2Config(**SMALL_WAV2VEC2)), tmp_path, kind)
        with pytest.raises(UserError, match="type 'wav2vec2', not of family 'whisper'"):
            checkpoints.read_encoder(tmp_path, "whisper")


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    (tmp_path / "preprocessor_config.json").write_text("{}")
    torch.save({"weight": Evil()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pytorch_model\.bin cannot be read as weights"):
        checkpoints.read_encoder(tmp_path, "wav2vec2")
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no config.json"),
        ({"config.json": "{}"}, "has no preprocessor_config.json"),
        (SETTINGS, "holds no weights"),
        (SETTINGS | {"model.safetensors": "cut"}, "cannot be read as weights"),
    ],
)
def test_folders_that_are_no_checkpoints(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        checkpoints.read_encoder(tmp_path, "wav2vec2")


def test_offline_without_a_cache_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"nobody/nothing at revision a{40} .*(cache|fetched)"):
        checkpoints.locate("nobody/nothing", "a" * 40)


def test_the_rule_keeps_the_encoder_of_a_local_folder(tmp_path):
    workflow = Workflow(tmp_path / "repository")
    model = Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2))
    folder = workflow.directory / "checkpoints" / "small"
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text("{}")
    config = yaml.safe_load((ROOT / "demo" / "config" / "config.yaml").read_text(encoding="utf-8"))
    config["models"]["small"] = {
        "title": "Small",
        "family": "wav2vec2",
        "checkpoint": "checkpoints/small",
        "tuning": {"method": "frozen"},
    }
    workflow.configure(config)
    weights = "resources/encoders/checkpoints--small/model.safetensors"
    workflow.run("--cores", "1", weights)
    kept = load_file(workflow.directory / weights)
    assert kept.keys() == model.wav2vec2.state_dict().keys()
    record = json.loads((workflow.directory / weights).with_name("revision.json").read_text())
    checksum = hashlib.sha256((workflow.directory / weights).read_bytes()).hexdigest()
    assert record == {"checkpoint": "checkpoints/small", "revision": None, "sha256": checksum}
