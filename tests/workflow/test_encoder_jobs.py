"""Rule `encoder` on a local checkpoint."""

import hashlib
import json

import yaml
from conftest import ROOT
from safetensors.torch import load_file
from small_checkpoints import SMALL_WAV2VEC2
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC
from workflow_tools import Workflow


def test_rule_extracts_the_encoder_of_a_local_folder(tmp_path):
    workflow = Workflow(tmp_path / "repository")
    model = Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2))
    folder = workflow.directory / "checkpoints" / "small"
    model.save_pretrained(folder)
    (folder / "processor_config.json").write_text('{"feature_extractor": {"do_normalize": true}}')
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
    assert kept.keys() == model.wav2vec2.state_dict().keys() - {"masked_spec_embed"}
    settings = json.loads((workflow.directory / weights).with_name("preprocessor_config.json").read_text())
    assert settings == {"do_normalize": True}
    record = json.loads((workflow.directory / weights).with_name("revision.json").read_text())
    checksum = hashlib.sha256((workflow.directory / weights).read_bytes()).hexdigest()
    parameters = sum(tensor.numel() for tensor in kept.values())
    assert record == {
        "checkpoint": "checkpoints/small",
        "revision": None,
        "sha256": checksum,
        "parameters": parameters,
        "width": 32,
        "layers": 2,
        "dropout": [0.0, 0.1],
        "labels": [],
    }
