"""Encoders read from small random checkpoints, as safetensors and as pickles."""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from small_checkpoints import (
    GROUP_NORM,
    LAYER_NORM,
    SMALL_WAV2VEC2,
    SMALL_WHISPER,
    save_hubert,
    save_unispeech_sat,
    save_wav2vec2,
    save_wavlm,
)
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForAudioFrameClassification,
    Wav2Vec2ForCTC,
    Wav2Vec2ForPreTraining,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2ForXVector,
    Wav2Vec2Model,
    Wav2Vec2Processor,
    WhisperConfig,
    WhisperForAudioClassification,
    WhisperForConditionalGeneration,
    WhisperModel,
)

from ser.core.errors import UserError
from ser.demo import pretraining
from ser.models import checkpoints

SETTINGS = {"config.json": '{"model_type": "wav2vec2"}', "preprocessor_config.json": "{}"}


def read_encoder(folder, family):
    """Return the encoder's tensors of a local checkpoint."""
    return checkpoints.load(str(folder), None, family).encoder.state_dict()


def save(model, folder, kind):
    """Save a model as on the Hugging Face Hub: safetensors, or the older pickle."""
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text("{}")
    if kind == "pickle":
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()


class TestPublishedKinds:
    """Checkpoints as they are published: with heads, auxiliary tensors, several files."""

    @pytest.mark.parametrize("kind", ["safetensors", "pickle"])
    @pytest.mark.parametrize(
        ("cls", "settings"),
        [
            (Wav2Vec2ForSequenceClassification, {}),
            (Wav2Vec2ForSequenceClassification, {"use_weighted_layer_sum": True}),
            (Wav2Vec2ForPreTraining, {}),
            (Wav2Vec2ForXVector, {}),
            (Wav2Vec2ForAudioFrameClassification, {}),
            (Wav2Vec2ForCTC, {"add_adapter": True, "output_hidden_size": 32}),
            (Wav2Vec2ForCTC, GROUP_NORM),
            (Wav2Vec2Model, {"mask_time_prob": 0.0}),
        ],
    )
    def test_wav2vec2_with_any_head(self, tmp_path, cls, settings, kind):
        model = cls(Wav2Vec2Config(**SMALL_WAV2VEC2 | LAYER_NORM | settings))
        save(model, tmp_path, kind)
        encoder = read_encoder(tmp_path, "wav2vec2")
        stock = getattr(model, "wav2vec2", model).state_dict()
        surplus = {name for name in stock if name.startswith("adapter.")} | {"masked_spec_embed"}
        assert encoder.keys() == stock.keys() - surplus
        assert all(torch.equal(tensor, stock[name]) for name, tensor in encoder.items())

    @pytest.mark.parametrize("zipped", [False, True])
    @pytest.mark.parametrize("saved", [save_wav2vec2, save_hubert, save_wavlm, save_unispeech_sat])
    def test_names_before_torch_2_in_half_precision(self, tmp_path, saved, zipped):
        """As facebook/wav2vec2-large-xlsr-53: weight_g and weight_v of the positional convolution, in a pickle."""
        saved(tmp_path)
        family = json.loads((tmp_path / "config.json").read_text())["model_type"]
        expected = read_encoder(tmp_path, family)
        tensors = {}
        for name, tensor in load_file(tmp_path / "model.safetensors").items():
            name = name.replace("parametrizations.weight.original0", "weight_g")
            tensors[name.replace("parametrizations.weight.original1", "weight_v")] = tensor.half()
        assert any(name.endswith("weight_g") for name in tensors)
        torch.save(tensors, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
        (tmp_path / "model.safetensors").unlink()
        encoder = read_encoder(tmp_path, family)
        assert encoder.keys() == expected.keys()
        assert all(torch.equal(tensor.half().float(), encoder[name]) for name, tensor in expected.items())

    @pytest.mark.parametrize("kind", ["safetensors", "pickle"])
    @pytest.mark.parametrize("cls", [WhisperForAudioClassification, WhisperModel, WhisperForConditionalGeneration])
    def test_whisper_with_any_head(self, tmp_path, cls, kind):
        model = cls(WhisperConfig(**SMALL_WHISPER))
        save(model, tmp_path, kind)
        stock = model.get_encoder().state_dict()
        encoder = read_encoder(tmp_path, "whisper")
        assert encoder.keys() == stock.keys()
        assert all(torch.equal(tensor, stock[name]) for name, tensor in encoder.items())

    def test_another_family_is_rejected(self, tmp_path):
        save(Wav2Vec2Model(Wav2Vec2Config(**SMALL_WAV2VEC2)), tmp_path, "safetensors")
        with pytest.raises(UserError, match="type 'wav2vec2', not of family 'whisper'"):
            read_encoder(tmp_path, "whisper")

    @pytest.mark.parametrize(
        ("config", "labels"),
        [
            ({"id2label": {"0": "neu", "1": "hap"}}, ["neu", "hap"]),
            ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, []),
            ({}, []),
        ],
    )
    def test_labels_of_a_classification_head(self, config, labels):
        assert checkpoints.head_labels(config) == labels

    def test_unknown_tensors_beside_the_encoder_are_left_out(self, tmp_path):
        save(Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2)), tmp_path, "safetensors")
        before = read_encoder(tmp_path, "wav2vec2")
        more = {
            "classifier.dense.weight": torch.ones(2),
            "layer_weights": torch.ones(3),
            "emotion_head.0.bias": torch.ones(1),
        }
        save_file(load_file(tmp_path / "model.safetensors") | more, tmp_path / "model.safetensors")
        assert read_encoder(tmp_path, "wav2vec2").keys() == before.keys()

    @pytest.mark.parametrize("change", [{"num_hidden_layers": 3}, {"intermediate_size": 50}])
    def test_weights_that_the_config_does_not_describe_are_rejected(self, tmp_path, change):
        save(Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2)), tmp_path, "safetensors")
        config = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(UserError, match=r"in another shape: encoder\.layers\.\d"):
            read_encoder(tmp_path, "wav2vec2")

    def test_weights_in_several_files_are_read(self, tmp_path):
        model = Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2))
        model.save_pretrained(tmp_path, max_shard_size="20KB")
        (tmp_path / "preprocessor_config.json").write_text("{}")
        assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
        encoder = read_encoder(tmp_path, "wav2vec2")
        assert all(torch.equal(tensor, model.wav2vec2.state_dict()[name]) for name, tensor in encoder.items())
        next(tmp_path.glob("model-00002*")).unlink()
        with pytest.raises(UserError, match=r"cannot be read: .*model-00002"):
            read_encoder(tmp_path, "wav2vec2")

    @pytest.mark.parametrize("factor", [torch.nan, 0], ids=["NaN", "zero"])
    def test_unusable_weights_are_rejected(self, tmp_path, factor):
        save(Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2)), tmp_path, "safetensors")
        tensors, name = load_file(tmp_path / "model.safetensors"), "wav2vec2.encoder.layers.0.attention.k_proj.weight"
        save_file(tensors | {name: tensors[name] * factor}, tmp_path / "model.safetensors")
        with pytest.raises(UserError, match="weights that are NaN, infinite or all zero"):
            read_encoder(tmp_path, "wav2vec2")

    def test_adapter_beside_its_base_is_rejected(self, tmp_path):
        save(Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2)), tmp_path, "safetensors")
        (tmp_path / "adapter_config.json").write_text("{}")
        with pytest.raises(UserError, match=r"has adapter_config\.json.*Merge them"):
            read_encoder(tmp_path, "wav2vec2")

    def test_quantised_weights_are_rejected(self, tmp_path):
        save(Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2)), tmp_path, "safetensors")
        config = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(config | {"quantization_config": {}}))
        with pytest.raises(UserError, match=r"is quantised, by its config\.json"):
            read_encoder(tmp_path, "wav2vec2")


@pytest.mark.parametrize("family", pretraining.TINY)
def test_checkpoints_of_the_demo_are_read(tmp_path, family):
    """Not pre-trained: eSpeak keeps a state in the process, on which the speech of other tests depends."""
    model, extractor, _ = pretraining.untrained_encoder(family, pretraining.TINY[family])
    (tmp_path / "config.json").write_text(json.dumps(model.config.to_dict()))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(extractor.to_dict()))
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    encoder = read_encoder(tmp_path, family)
    part = model.get_submodule(pretraining.FAMILIES[family].part)
    assert all(torch.equal(tensor, encoder[name]) for name, tensor in part.state_dict().items())


def test_pickle_with_code_is_rejected(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    (tmp_path / "preprocessor_config.json").write_text("{}")
    torch.save({"weight": Malicious()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be read: Weights only load failed"):
        read_encoder(tmp_path, "wav2vec2")
    assert not (tmp_path / "written").exists()


def test_feature_extractor_inside_a_saved_processor_is_found(tmp_path):
    Wav2Vec2Model(Wav2Vec2Config(**SMALL_WAV2VEC2)).save_pretrained(tmp_path)
    (tmp_path / "vocab.json").write_text('{"<pad>": 0, "<unk>": 1, "|": 2, "a": 3}')
    extractor = Wav2Vec2FeatureExtractor(do_normalize=False)
    Wav2Vec2Processor(extractor, Wav2Vec2CTCTokenizer(tmp_path / "vocab.json")).save_pretrained(tmp_path)
    assert not (tmp_path / "preprocessor_config.json").exists()
    assert checkpoints.load(str(tmp_path), None, "wav2vec2").preprocessor["do_normalize"] is False


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"has no config\.json"),
        ({"config.json": SETTINGS["config.json"]}, "cannot be read: Can't load feature extractor"),
        (SETTINGS, r"cannot be read: Error no file named model\.safetensors, or pytorch_model\.bin"),
        (
            SETTINGS | {"model.safetensors": "cut"},
            r"header.*\nA file may be incomplete.* or a pointer of Git LFS",
        ),
        (
            SETTINGS | {"config.json": '{"model_type": "wav2vec2", "hidden_size": "wide"}'},
            "cannot be read: .*hidden_size",
        ),
    ],
)
def test_incomplete_checkpoint_is_rejected(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        read_encoder(tmp_path, "wav2vec2")


class Hub(ThreadingHTTPServer):
    """Local server of one repository with the Hugging Face Hub's API."""

    REPOSITORY, COMMIT = "group/encoder", "0123456789abcdef0123456789abcdef01234567"

    def __init__(self, folder):
        self.folder, self.served = folder, []
        super().__init__(("127.0.0.1", 0), HubRequest)
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()


class HubRequest(BaseHTTPRequestHandler):
    """Request handler of the local hub."""

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        hub, path = self.server, self.path.split("?")[0]
        names = sorted(file.name for file in hub.folder.iterdir())
        if f"/{hub.REPOSITORY}/" not in path + "/":
            return self.reply(404, b"", {"X-Error-Code": "RepoNotFound"})
        if hub.COMMIT not in path and "/resolve/main/" not in path:  # transformers 5.15 looks for an adapter in main
            return self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"})
        if path.startswith("/api/models/") and "/tree/" in path:
            return self.reply(
                200, json.dumps([{"type": "file", "path": n, "size": 1, "oid": "0"} for n in names]).encode()
            )
        if path.startswith("/api/models/"):
            content = {"id": hub.REPOSITORY, "sha": hub.COMMIT, "siblings": [{"rfilename": name} for name in names]}
            return self.reply(200, json.dumps(content).encode())
        if path.rpartition("/")[2] not in names:
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound"})
        content = (hub.folder / path.rpartition("/")[2]).read_bytes()
        if body:
            hub.served.append(path.rpartition("/")[2])
        tag = hashlib.sha1(content).hexdigest()
        return self.reply(
            200, content if body else b"", {"ETag": f'"{tag}"', "X-Repo-Commit": hub.COMMIT}, len(content)
        )

    def reply(self, status, content, headers=None, length=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)


class TestHub:
    """Download from the Hub at a pinned commit, and offline use of the cache."""

    @pytest.fixture
    def hub(self, tmp_path, monkeypatch):
        folder = tmp_path / "published"
        save(Wav2Vec2Model(Wav2Vec2Config(**SMALL_WAV2VEC2)), folder, "safetensors")
        (folder / "pytorch_model.bin").write_bytes(b"another format of the same weights")
        (folder / "adapter.eng.safetensors").write_bytes(b"of another task")
        (folder / "modeling_custom.py").write_text("raise SystemExit('remote code was run')")
        (folder / "README.md").write_text("a card")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        with Hub(folder) as hub:
            set_endpoint(monkeypatch, f"http://127.0.0.1:{hub.server_port}")
            yield hub
            hub.shutdown()

    def load(self):
        return checkpoints.load(Hub.REPOSITORY, Hub.COMMIT, "wav2vec2")

    def test_only_settings_and_one_format_of_the_weights_are_downloaded(self, hub):
        checkpoint = self.load()
        assert checkpoint.revision == Hub.COMMIT
        assert sorted(hub.served) == ["config.json", "model.safetensors", "preprocessor_config.json"]

    def test_pickle_is_downloaded_without_safetensors(self, hub, monkeypatch):
        monkeypatch.setenv("DISABLE_SAFETENSORS_CONVERSION", "1")
        expected = load_file(hub.folder / "model.safetensors")
        torch.save(expected, hub.folder / "pytorch_model.bin")
        (hub.folder / "model.safetensors").unlink()
        encoder = self.load().encoder.state_dict()
        assert all(torch.equal(tensor, expected[name]) for name, tensor in encoder.items())
        assert sorted(hub.served) == ["config.json", "preprocessor_config.json", "pytorch_model.bin"]

    def test_adapter_of_the_repository_is_rejected(self, hub):
        (hub.folder / "adapter_config.json").write_text("{}")
        with pytest.raises(UserError, match=r"has adapter_config\.json.*Merge them"):
            self.load()

    def test_folder_of_the_repositorys_name_is_not_used_for_a_revision(self, hub, tmp_path, monkeypatch):
        (tmp_path / Hub.REPOSITORY).mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UserError, match="would be read from the folder group/encoder: rename the folder"):
            self.load()

    @pytest.mark.parametrize("offline", [False, True])
    def test_cache_is_used_if_the_hub_cannot_be_reached(self, hub, monkeypatch, offline):
        before, served = self.load(), len(hub.served)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        set_endpoint(monkeypatch, "http://127.0.0.1:9")
        monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between retries
        after = self.load()
        assert (after.revision, after.config) == (before.revision, before.config)
        assert len(hub.served) == served

    def test_offline_with_an_empty_cache_is_rejected(self, hub, monkeypatch):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(UserError, match=r"^group/encoder at revision 0123.* cannot be read: .*couldn't"):
            self.load()

    @pytest.mark.parametrize(
        ("repository", "revision", "message"),
        [
            ("group/nothing", Hub.COMMIT, "is not a valid model identifier"),
            (Hub.REPOSITORY, "f" * 40, "is not a valid git identifier"),
        ],
    )
    def test_unknown_repository_or_revision_is_rejected(self, hub, repository, revision, message):
        with pytest.raises(UserError, match=f"{repository} at revision {revision} cannot be read: .*{message}"):
            checkpoints.load(repository, revision, "wav2vec2")


def set_endpoint(monkeypatch, url):
    """Point `huggingface_hub` to a URL, as HF_ENDPOINT does before the import."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")


def test_missing_local_folder_is_rejected(tmp_path):
    with pytest.raises(UserError, match="does not exist: set the model's `checkpoint`"):
        checkpoints.load(str(tmp_path / "nowhere"), None, "wav2vec2")
