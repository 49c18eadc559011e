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
from small_checkpoints import GROUP_NORM, LAYER_NORM, SMALL_WAV2VEC2, SMALL_WHISPER
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
from ser.models import checkpoints
from ser.models.checkpoint_files import read_preprocessor

SETTINGS = {"config.json": '{"model_type": "wav2vec2"}', "preprocessor_config.json": "{}"}


def save(model, folder, kind):
    """Save a model as on the Hugging Face Hub: safetensors, or the older pickle."""
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text("{}")
    if kind == "pickle":
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()


@pytest.mark.parametrize("kind", ["safetensors", "pickle"])
class TestEncoder:
    """Exactly the encoder's tensors, under the names of the encoder."""

    @pytest.mark.parametrize("norm", [GROUP_NORM, LAYER_NORM])
    def test_wav2vec2(self, tmp_path, kind, norm):
        model = Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2 | norm))
        save(model, tmp_path, kind)
        encoder = checkpoints.read_encoder(tmp_path, "wav2vec2")
        alone = Wav2Vec2Model(model.config)
        assert alone.load_state_dict(encoder, strict=False).missing_keys == ["masked_spec_embed"]  # of SpecAugment
        for name, tensor in model.wav2vec2.state_dict().items():
            assert name == "masked_spec_embed" or torch.equal(alone.state_dict()[name], tensor)
        assert not any(name.startswith("lm_head") for name in encoder)

    def test_whisper(self, tmp_path, kind):
        model = WhisperForConditionalGeneration(WhisperConfig(**SMALL_WHISPER))
        save(model, tmp_path, kind)
        encoder = checkpoints.read_encoder(tmp_path, "whisper")
        assert encoder.keys() == model.model.encoder.state_dict().keys()
        for name, tensor in model.model.encoder.state_dict().items():
            assert torch.equal(encoder[name], tensor)

    def test_another_family_is_rejected(self, tmp_path, kind):
        save(Wav2Vec2Model(Wav2Vec2Config(**SMALL_WAV2VEC2)), tmp_path, kind)
        with pytest.raises(UserError, match="type 'wav2vec2', not of family 'whisper'"):
            checkpoints.read_encoder(tmp_path, "whisper")


class TestPublishedKinds:
    """Checkpoints as they are published: with heads, auxiliary tensors, several files."""

    @pytest.mark.parametrize(
        ("cls", "settings"),
        [
            (Wav2Vec2ForSequenceClassification, {}),
            (Wav2Vec2ForSequenceClassification, {"use_weighted_layer_sum": True}),
            (Wav2Vec2ForPreTraining, {}),
            (Wav2Vec2ForXVector, {}),
            (Wav2Vec2ForAudioFrameClassification, {}),
            (Wav2Vec2ForCTC, {"add_adapter": True, "output_hidden_size": 32}),
            (Wav2Vec2Model, {"mask_time_prob": 0.0}),
        ],
    )
    def test_wav2vec2_with_any_head(self, tmp_path, cls, settings):
        model = cls(Wav2Vec2Config(**SMALL_WAV2VEC2 | LAYER_NORM | settings))
        save(model, tmp_path, "safetensors")
        encoder = checkpoints.read_encoder(tmp_path, "wav2vec2")
        stock = getattr(model, "wav2vec2", model).state_dict()
        assert len(encoder) > 40
        assert all(torch.equal(tensor, stock[name]) for name, tensor in encoder.items())

    @pytest.mark.parametrize("cls", [WhisperForAudioClassification, WhisperModel, WhisperForConditionalGeneration])
    def test_whisper_with_any_head(self, tmp_path, cls):
        model = cls(WhisperConfig(**SMALL_WHISPER))
        save(model, tmp_path, "safetensors")
        stock = model.get_encoder().state_dict()
        encoder = checkpoints.read_encoder(tmp_path, "whisper")
        assert encoder.keys() == stock.keys()
        assert all(torch.equal(tensor, stock[name]) for name, tensor in encoder.items())

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
        before = checkpoints.read_encoder(tmp_path, "wav2vec2")
        more = {
            "classifier.dense.weight": torch.ones(2),
            "layer_weights": torch.ones(3),
            "emotion_head.0.bias": torch.ones(1),
        }
        save_file(load_file(tmp_path / "model.safetensors") | more, tmp_path / "model.safetensors")
        assert checkpoints.read_encoder(tmp_path, "wav2vec2").keys() == before.keys()

    @pytest.mark.parametrize("layers", [1, 3])
    def test_another_number_of_layers_than_in_the_config_is_rejected(self, tmp_path, layers):
        save(Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2)), tmp_path, "safetensors")
        config = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": layers}))
        with pytest.raises(UserError, match=r"encoder\.layers\.\d"):
            checkpoints.read_encoder(tmp_path, "wav2vec2")

    @pytest.mark.parametrize(
        "other", ["model_ema.safetensors", "model.fp16.safetensors", "model-00001-of-00001.safetensors"]
    )
    def test_file_of_transformers_choice_is_read(self, tmp_path, other):
        model = Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2))
        save(model, tmp_path, "safetensors")
        save_file(
            {name: tensor + 1 for name, tensor in load_file(tmp_path / "model.safetensors").items()}, tmp_path / other
        )
        torch.save({}, tmp_path / "pytorch_model.bin")
        encoder = checkpoints.read_encoder(tmp_path, "wav2vec2")
        assert all(torch.equal(tensor, model.wav2vec2.state_dict()[name]) for name, tensor in encoder.items())

    def test_files_of_the_index_are_read(self, tmp_path):
        model = Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2))
        model.save_pretrained(tmp_path, max_shard_size="20KB")
        (tmp_path / "preprocessor_config.json").write_text("{}")
        assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
        save_file({"wav2vec2.encoder.layer_norm.bias": torch.ones(32)}, tmp_path / "model_backup.safetensors")
        encoder = checkpoints.read_encoder(tmp_path, "wav2vec2")
        assert all(torch.equal(tensor, model.wav2vec2.state_dict()[name]) for name, tensor in encoder.items())
        next(tmp_path.glob("model-00002*")).unlink()
        with pytest.raises(UserError, match="does not exist, although the index of the weights names it"):
            checkpoints.read_encoder(tmp_path, "wav2vec2")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda tensor: tensor * torch.nan, "weights that are quantised, NaN, infinite or all zero"),
            (lambda tensor: tensor * 0, "weights that are quantised, NaN, infinite or all zero"),
            (lambda tensor: tensor.to(torch.int8), "weights that are quantised, NaN, infinite or all zero"),
        ],
        ids=["NaN", "zero", "int8"],
    )
    def test_unusable_weights_are_rejected(self, tmp_path, change, message):
        save(Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2)), tmp_path, "safetensors")
        tensors, name = load_file(tmp_path / "model.safetensors"), "wav2vec2.encoder.layers.0.attention.k_proj.weight"
        save_file(tensors | {name: change(tensors[name])}, tmp_path / "model.safetensors")
        with pytest.raises(UserError, match=message):
            checkpoints.read_encoder(tmp_path, "wav2vec2")

    def test_adapter_beside_its_base_is_rejected(self, tmp_path):
        save(Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2)), tmp_path, "safetensors")
        (tmp_path / "adapter_config.json").write_text("{}")
        with pytest.raises(UserError, match=r"has adapter_config\.json.*Merge them"):
            checkpoints.read_encoder(tmp_path, "wav2vec2")

    @pytest.mark.parametrize("key", ["quantization_config", "transformers_weights"])
    def test_other_weights_by_the_config_are_rejected(self, tmp_path, key):
        save(Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2)), tmp_path, "safetensors")
        config = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(config | {key: "other"}))
        with pytest.raises(UserError, match=f"has {key}, which is not supported"):
            checkpoints.read_encoder(tmp_path, "wav2vec2")

    def test_pointer_of_git_lfs_is_named(self, tmp_path):
        save(Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL_WAV2VEC2)), tmp_path, "safetensors")
        (tmp_path / "model.safetensors").write_text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
        )
        with pytest.raises(UserError, match=r"model\.safetensors is a pointer of Git LFS, not the weights"):
            checkpoints.read_encoder(tmp_path, "wav2vec2")


def test_pickle_with_code_is_rejected(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    (tmp_path / "preprocessor_config.json").write_text("{}")
    torch.save({"weight": Malicious()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pytorch_model\.bin cannot be read as weights"):
        checkpoints.read_encoder(tmp_path, "wav2vec2")
    assert not (tmp_path / "written").exists()


def test_feature_extractor_inside_a_saved_processor_is_found(tmp_path):
    (tmp_path / "vocab.json").write_text('{"<pad>": 0, "<unk>": 1, "|": 2, "a": 3}')
    extractor = Wav2Vec2FeatureExtractor(do_normalize=False)
    Wav2Vec2Processor(extractor, Wav2Vec2CTCTokenizer(tmp_path / "vocab.json")).save_pretrained(tmp_path)
    extractor.save_pretrained(tmp_path / "alone")
    assert not (tmp_path / "preprocessor_config.json").exists()
    assert read_preprocessor(tmp_path) == read_preprocessor(tmp_path / "alone")
    assert read_preprocessor(tmp_path)["do_normalize"] is False


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no config.json"),
        ({"config.json": "{}"}, r"has no preprocessor_config\.json or processor_config\.json"),
        (SETTINGS, "has no weights"),
        (SETTINGS | {"model.safetensors": "cut"}, "cannot be read as weights"),
    ],
)
def test_incomplete_checkpoint_is_rejected(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        checkpoints.read_encoder(tmp_path, "wav2vec2")


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
        if hub.COMMIT not in path:
            return self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"})
        if path.startswith("/api/models/") and "/tree/" in path:
            return self.reply(
                200, json.dumps([{"type": "file", "path": n, "size": 1, "oid": "0"} for n in names]).encode()
            )
        if path.startswith("/api/models/"):
            content = {"id": hub.REPOSITORY, "sha": hub.COMMIT, "siblings": [{"rfilename": name} for name in names]}
            return self.reply(200, json.dumps(content).encode())
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

    def locate(self):
        return checkpoints.locate(Hub.REPOSITORY, Hub.COMMIT)

    @pytest.mark.parametrize("offline", [False, True])
    def test_only_the_files_of_transformers_choice_are_downloaded(self, hub, monkeypatch, offline):
        """As openai/whisper-large-v3, which holds the same weights in several precisions."""
        for name in ("model.fp32-00001-of-00002.safetensors", "model.fp32-00002-of-00002.safetensors"):
            (hub.folder / name).write_bytes(b"another precision")
        (hub.folder / "model.safetensors.index.fp32.json").write_text("{}")
        folder, _ = self.locate()
        if offline:
            monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
            assert self.locate()[0] == folder
        assert sorted(hub.served) == ["config.json", "model.safetensors", "preprocessor_config.json"]

    def test_files_of_the_index_are_downloaded(self, hub):
        (hub.folder / "model.safetensors").unlink()
        Wav2Vec2Model(Wav2Vec2Config(**SMALL_WAV2VEC2)).save_pretrained(hub.folder, max_shard_size="20KB")
        (hub.folder / "model_ema.safetensors").write_bytes(b"something else")
        folder, _ = self.locate()
        assert len([name for name in hub.served if name.startswith("model-0")]) > 2
        assert not {"model_ema.safetensors", "pytorch_model.bin"} & set(hub.served)
        assert checkpoints.read_encoder(folder, "wav2vec2")

    def test_pickle_is_downloaded_without_safetensors(self, hub):
        torch.save(load_file(hub.folder / "model.safetensors"), hub.folder / "pytorch_model.bin")
        (hub.folder / "model.safetensors").unlink()
        folder, _ = self.locate()
        assert sorted(hub.served) == ["config.json", "preprocessor_config.json", "pytorch_model.bin"]
        assert checkpoints.read_encoder(folder, "wav2vec2")

    def test_folder_of_the_repositorys_name_is_not_used_for_a_revision(self, hub, tmp_path, monkeypatch):
        (tmp_path / Hub.REPOSITORY).mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        assert self.locate()[1] == hub.COMMIT

    def test_offline_with_a_filled_cache(self, hub, monkeypatch):
        online, served = self.locate(), len(hub.served)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        set_endpoint(monkeypatch, "http://127.0.0.1:9")
        assert self.locate() == online
        assert len(hub.served) == served

    def test_unreachable_hub_with_a_filled_cache_names_the_variable(self, hub, monkeypatch):
        self.locate()
        set_endpoint(monkeypatch, "http://127.0.0.1:9")
        monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between retries
        with pytest.raises(UserError, match=r"could not be downloaded.*HF_HUB_OFFLINE=1"):
            self.locate()

    def test_offline_with_an_empty_cache_is_rejected(self, hub, monkeypatch):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(UserError, match=r"^group/encoder at revision 0123.* cannot be reached"):
            self.locate()

    @pytest.mark.parametrize(
        ("repository", "revision"), [("group/nothing", Hub.COMMIT), (Hub.REPOSITORY, "f" * 40)], ids=str
    )
    def test_unknown_repository_or_revision_is_rejected(self, hub, repository, revision):
        message = f"{repository} at revision {revision} does not exist on the Hugging Face Hub, or is private"
        with pytest.raises(UserError, match=message):
            checkpoints.locate(repository, revision)

    def test_repository_without_weights_is_rejected(self, hub):
        for name in ("model.safetensors", "pytorch_model.bin"):
            (hub.folder / name).unlink()
        with pytest.raises(UserError, match="has no weights in a supported format"):
            self.locate()


def set_endpoint(monkeypatch, url):
    """Point `huggingface_hub` to a URL, as HF_ENDPOINT does before the import."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")


def test_missing_local_folder_is_rejected(tmp_path):
    with pytest.raises(UserError, match="does not exist: set the model's `checkpoint`"):
        checkpoints.locate(str(tmp_path / "nowhere"), None)
