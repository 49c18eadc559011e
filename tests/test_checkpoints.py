"""Encoders out of small random checkpoints in Hugging Face format: safetensors and pickles, both families."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2Model, WhisperConfig, WhisperForConditionalGeneration

from ser import checkpoints
from ser.errors import UserError

SMALL_WAV2VEC2 = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 5,
}
SMALL_WHISPER = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "vocab_size": 20,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}


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

    @pytest.mark.parametrize("norm", ["group", "layer"])
    def test_wav2vec2(self, tmp_path, kind, norm):
        model = Wav2Vec2ForCTC(
            Wav2Vec2Config(**SMALL_WAV2VEC2, feat_extract_norm=norm, do_stable_layer_norm=norm == "layer")
        )
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
    import yaml
    from conftest import ROOT
    from workflow_tools import Workflow

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
    revision = json.loads((workflow.directory / weights).with_name("revision.json").read_text())
    assert revision == {"checkpoint": "checkpoints/small", "revision": None}
