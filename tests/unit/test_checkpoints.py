"""Encoders read from small random checkpoints, as safetensors and as pickles."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file
from small_checkpoints import GROUP_NORM, LAYER_NORM, SMALL_WAV2VEC2, SMALL_WHISPER
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2Model, WhisperConfig, WhisperForConditionalGeneration

from ser.core.errors import UserError
from ser.models import checkpoints

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

    def test_another_family_is_rejected(self, tmp_path, kind):
        save(Wav2Vec2Model(Wav2Vec2Config(**SMALL_WAV2VEC2)), tmp_path, kind)
        with pytest.raises(UserError, match="type 'wav2vec2', not of family 'whisper'"):
            checkpoints.read_encoder(tmp_path, "whisper")


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


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no config.json"),
        ({"config.json": "{}"}, "has no preprocessor_config.json"),
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

    def test_only_one_weight_format_is_downloaded(self, hub):
        folder, revision = self.locate()
        assert revision == hub.COMMIT
        assert sorted(hub.served) == ["config.json", "model.safetensors", "preprocessor_config.json"]
        assert checkpoints.read_encoder(folder, "wav2vec2")

    def test_pickle_is_downloaded_without_safetensors(self, hub):
        torch.save(load_file(hub.folder / "model.safetensors"), hub.folder / "pytorch_model.bin")
        (hub.folder / "model.safetensors").unlink()
        folder, _ = self.locate()
        assert sorted(hub.served) == ["config.json", "preprocessor_config.json", "pytorch_model.bin"]
        assert checkpoints.read_encoder(folder, "wav2vec2")

    def test_offline_with_a_filled_cache(self, hub, monkeypatch):
        online, served = self.locate(), len(hub.served)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        set_endpoint(monkeypatch, "http://127.0.0.1:9")
        assert self.locate() == online
        assert len(hub.served) == served

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
