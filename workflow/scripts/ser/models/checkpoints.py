"""Download of pre-trained checkpoints, and extraction of their encoders."""

import json
import pickle
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ser.core.errors import UserError, listing
from ser.core.files import is_lfs_pointer
from ser.models import families
from ser.models.checkpoint_files import CONFIG, SETTINGS, WEIGHTS, read_preprocessor, weight_files

# Prefixes of the encoder's tensors in models with a head or decoder; the encoder alone has none.
PREFIXES = {
    "wav2vec2": ("wav2vec2.",),
    "hubert": ("hubert.",),
    "wavlm": ("wavlm.",),
    "unispeech-sat": ("unispeech_sat.",),
    "whisper": ("model.encoder.", "encoder."),
}

DROPOUTS = ("hidden_dropout", "dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout")

ADAPTER = "adapter_config.json"
MERGE = "its weights are a base and an adapter. Merge them (`merge_and_unload` in peft) and use the merged checkpoint."


def locate(checkpoint: str, revision: str | None) -> tuple[Path, str | None]:
    """Return the folder of a checkpoint, and its resolved revision.

    A local folder is used directly, and has no revision. A repository is downloaded from the Hugging Face Hub, with one
    format of its weights, or read from the local cache if `HF_HUB_OFFLINE=1` is set.

    Raises `UserError` if the checkpoint or revision does not exist or cannot be reached.
    """
    if revision is None and Path(checkpoint).is_dir():
        return Path(checkpoint).absolute(), None
    if revision is None:
        raise UserError(f"{checkpoint} does not exist: set the model's `checkpoint` to a folder or a repository")
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HTTPError,  # of the HTTP library, whichever it is: the hub cannot be reached
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = f"{checkpoint} at revision {revision}"
    try:
        folder = Path(snapshot_download(checkpoint, revision=revision, allow_patterns=[*SETTINGS, "*.index.json"]))
        cached = (path.name for path in folder.iterdir())
        names = {*(cached if HF_HUB_OFFLINE else HfApi().list_repo_files(checkpoint, revision=revision))}
        if ADAPTER in names:
            raise UserError(f"{where} has {ADAPTER}: {MERGE}")
        wanted = weight_files(folder, names)
        if not wanted:
            raise UserError(f"{where} has no weights in a supported format ({', '.join(WEIGHTS)})")
        folder = Path(snapshot_download(checkpoint, revision=revision, allow_patterns=[*SETTINGS, *wanted]))
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise UserError(
            f"{where} does not exist on the Hugging Face Hub, or is private: correct the model's entry (with a local"
            " folder, set revision to null)"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise UserError(
            f"{where} is not in the local cache and the Hugging Face Hub cannot be reached: go online once, or set the"
            " model's `checkpoint` to a local folder in Hugging Face format and its `revision` to null"
        ) from error
    except (HfHubHTTPError, HTTPError, OSError) as error:
        raise UserError(
            f"{where} could not be downloaded: {error}. Try again, or set HF_HUB_OFFLINE=1 if it is in the local cache."
        ) from error
    return folder, folder.name


def read_encoder(folder: Path, family: str) -> dict[str, torch.Tensor]:
    """Read the encoder's tensors from a checkpoint, in float32 and named as in the encoder alone.

    Heads, decoders and whatever else the encoder's class does not have are left out. Raises `UserError` if the
    checkpoint is of another family, has no weights, or lacks a tensor of the encoder.
    """
    check_family(folder, family)
    tensors = {}
    for name in weight_files(folder, {path.name for path in folder.iterdir()}):
        tensors |= _read_weights(folder / name)
    if not tensors:
        raise UserError(
            f"{folder} has no weights (model.safetensors or pytorch_model.bin): complete it, or set the model's"
            " `checkpoint` to another"
        )
    prefix = next((p for p in PREFIXES[family] if any(name.startswith(p) for name in tensors)), "")
    kept = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    # some are published in half precision
    encoder = families.load(family).load(config, {name: tensor.float() for name, tensor in kept.items()}, folder)
    state = encoder.state_dict()
    if unusable := [name for name, tensor in kept.items() if name in state and not _is_usable(tensor)]:
        raise UserError(
            f"{folder} has weights that are quantised, NaN, infinite or all zero: {listing(unusable)}. Download it"
            " again, or use a checkpoint in floating point."
        )
    return {name: tensor.contiguous() for name, tensor in state.items()}


def dropouts(config: dict, family: str) -> list[float]:
    """Return the distinct dropout probabilities inside an encoder, sorted, from its `config.json`."""
    settings = families.load(family).encoder_config(config)
    return sorted({float(getattr(settings, name)) for name in DROPOUTS if hasattr(settings, name)})


def head_labels(config: dict) -> list[str]:
    """Return the labels that a checkpoint was fine-tuned to predict, from its `config.json`; none if unnamed."""
    labels = config.get("id2label") or {}
    return [str(label) for label in labels.values() if not str(label).startswith("LABEL_")]


def _is_usable(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is floating-point and finite, and if it is a matrix not zero."""
    return tensor.is_floating_point() and bool(tensor.isfinite().all()) and (tensor.ndim < 2 or bool(tensor.any()))


def check_family(folder: Path, family: str) -> None:
    """Raise `UserError` unless a checkpoint's `config.json` names this family, and its weights are whole."""
    if (folder / ADAPTER).exists():
        raise UserError(f"{folder} has {ADAPTER}: {MERGE}")
    if not (folder / CONFIG).exists():
        raise UserError(f"{folder} has no {CONFIG}: it is not a complete checkpoint")
    read_preprocessor(folder)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    for key in ("quantization_config", "transformers_weights"):
        if key in config:
            raise UserError(
                f"{folder}: its config.json has {key}, which is not supported. Use a checkpoint without it."
            )
    model_type = config.get("model_type")
    if model_type != family:
        raise UserError(
            f"{folder} is a checkpoint of type {model_type!r}, not of family {family!r}: correct the model's entry"
        )


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read all tensors of one file; `weights_only` refuses pickles that run code."""
    if not path.is_file():
        raise UserError(f"{path} does not exist, although the index of the weights names it: copy or download it again")
    if is_lfs_pointer(path):
        raise UserError(
            f"{path} is a pointer of Git LFS, not the weights. Run `git lfs pull` in its repository, and copy it again."
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # files from before torch 1.6 are not zip archives and cannot be memory-mapped
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UserError(f"{path} cannot be read as weights: {error}") from error
