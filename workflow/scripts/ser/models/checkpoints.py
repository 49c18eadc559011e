"""Download of pre-trained checkpoints, and extraction of their encoders."""

import json
import pickle
import re
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ser.core.errors import UserError, listing

# Tensor names in a checkpoint: prefixes of the encoder's tensors, and patterns of tensors outside the encoder.
PREFIXES = {"wav2vec2": ("wav2vec2.",), "whisper": ("model.encoder.", "encoder.")}
NOT_ENCODER = {
    "wav2vec2": r"^(quantizer|project_q|project_hid|lm_head|projector|classifier)\b",
    "whisper": r"^(model\.decoder|decoder|proj_out)\b",
}
MODEL_TYPES = {"wav2vec2": "wav2vec2", "whisper": "whisper"}
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
SETTINGS = ("config.json", "preprocessor_config.json")


def locate(checkpoint: str, revision: str | None) -> tuple[Path, str | None]:
    """Return the folder of a checkpoint, and its resolved revision.

    A local folder is used directly, and has no revision. A repository is downloaded from the Hugging Face Hub, with one
    format of its weights, or read from the local cache if `HF_HUB_OFFLINE=1` is set.

    Raises `UserError` if the checkpoint or revision does not exist or cannot be reached.
    """
    if Path(checkpoint).is_dir():
        return Path(checkpoint), None
    if revision is None:
        raise UserError(f"{checkpoint} does not exist: set the model's `checkpoint` to a folder or a repository")
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = f"{checkpoint} at revision {revision}"
    try:
        folder = Path(snapshot_download(checkpoint, revision=revision, allow_patterns=[*SETTINGS, "*.index.json"]))
        names = {path.name for path in folder.iterdir()} if HF_HUB_OFFLINE else _hub_files(checkpoint, revision)
        chosen = next((name for name in WEIGHTS if name in names), None)
        if chosen is None:
            raise UserError(f"{where} has no weights in a supported format ({', '.join(WEIGHTS)})")
        patterns = ["model*.safetensors"] if "safetensors" in chosen else ["pytorch_model*.bin"]
        folder = Path(snapshot_download(checkpoint, revision=revision, allow_patterns=[*SETTINGS, chosen, *patterns]))
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise UserError(
            f"{where} does not exist on the Hugging Face Hub, or is private: correct the model's entry"
        ) from error
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"{where} is not in the local cache and the Hugging Face Hub cannot be reached: go online once, or set the"
            " model's `checkpoint` to a local folder in Hugging Face format"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise UserError(f"{where} could not be downloaded: {error}") from error
    return folder, folder.name


def _hub_files(checkpoint: str, revision: str | None) -> set[str]:
    """Return the names of a repository's files."""
    from huggingface_hub import HfApi

    return set(HfApi().list_repo_files(checkpoint, revision=revision))


def read_encoder(folder: Path, family: str) -> dict[str, torch.Tensor]:
    """Read the encoder's tensors from a checkpoint, without name prefixes.

    Raises `UserError` if the checkpoint is of another family or has no weights.
    """
    check_family(folder, family)
    tensors = {}
    for path in _weight_files(folder):
        tensors.update(_read_weights(path))
    kept = {}
    for name, tensor in tensors.items():
        if not re.match(NOT_ENCODER[family], name):
            prefix = next((p for p in PREFIXES[family] if name.startswith(p)), "")
            kept[name.removeprefix(prefix)] = tensor.float().contiguous()  # some are published in half precision
    if not kept:
        raise UserError(
            f"{folder} has no tensors of a {family} encoder, only {listing(tensors)}: correct the model's `checkpoint`"
        )
    return kept


def check_family(folder: Path, family: str) -> None:
    """Raise `UserError` unless a checkpoint's `config.json` names this family."""
    for name in SETTINGS:
        if not (folder / name).exists():
            raise UserError(f"{folder} has no {name}: it is not a complete checkpoint in Hugging Face format")
    model_type = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    if model_type != MODEL_TYPES[family]:
        raise UserError(
            f"{folder} is a checkpoint of type {model_type!r}, not of family {family!r}: correct the model's entry"
        )


def _weight_files(folder: Path) -> list[Path]:
    for pattern in ("model*.safetensors", "pytorch_model*.bin"):  # other files may be adapters for another task
        if files := sorted(folder.glob(pattern)):
            return files
    raise UserError(f"{folder} has no weights (model.safetensors or pytorch_model.bin)")


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read all tensors of one file; `weights_only` refuses pickles that run code."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # files from before torch 1.6 are not zip archives and cannot be memory-mapped
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UserError(f"{path} cannot be read as weights: {error}") from error
