"""Pre-trained checkpoints, as transformers reads them, and extraction of their encoders."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import PreTrainedModel, SequenceFeatureExtractor
from transformers.utils import cached_file, find_adapter_config_file

from ser.core.errors import UserError, listing
from ser.core.files import read_json
from ser.models import families

# errors of files with unexpected contents
UNREADABLE = (RuntimeError, ValueError, SafetensorError, StrictDataclassError, pickle.UnpicklingError)
DROPOUTS = ("hidden_dropout", "dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout")


@dataclass(frozen=True)
class Checkpoint:
    """Parts of a checkpoint that the workflow keeps.

    Args:
        config: content of its `config.json`.
        preprocessor: settings of its feature extractor.
        encoder: in float32, with its pre-trained weights.
        revision: commit of the repository on the Hugging Face Hub; None of a local folder.
    """

    config: dict
    preprocessor: dict
    encoder: PreTrainedModel
    revision: str | None


def load(name: str, revision: str | None, family: str) -> Checkpoint:
    """Return a checkpoint of the Hugging Face Hub, or of a local folder if `revision` is None.

    A repository is downloaded, or read from the local cache if `HF_HUB_OFFLINE=1` is set. Heads and decoders are left
    out.

    Raises `UserError` if the checkpoint does not exist, cannot be reached or read, is of another family, or lacks
    weights of the encoder.
    """
    where = f"{name} at revision {revision}" if revision else name
    if revision is None and not Path(name).is_dir():
        raise UserError(f"{name} does not exist: set the model's `checkpoint` to a folder or a repository")
    if revision and Path(name).is_dir():
        raise UserError(f"{where} would be read from the folder {name}: rename the folder, or set `revision` to null")
    try:
        if find_adapter_config_file(name, revision=revision):
            raise UserError(
                f"{where} has adapter_config.json: its weights are a base and an adapter. Merge them"
                " (`merge_and_unload` in peft) and use the merged checkpoint."
            )
        config_file = cached_file(name, "config.json", revision=revision)
        if config_file is None:
            raise UserError(f"{where} has no config.json: it is not a complete checkpoint")
        config = read_json(config_file)
        _check_config(config, family, where)
        preprocessor, _ = SequenceFeatureExtractor.get_feature_extractor_dict(name, revision=revision)
        encoder = _load_encoder(name, revision, config, family, where)
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error}") from error
    except UNREADABLE as error:
        raise UserError(
            f"{where} cannot be read: {error}\nA file may be incomplete, or a pointer of Git LFS: copy or"
            " download it again."
        ) from error
    return Checkpoint(config, preprocessor, encoder, revision and Path(config_file).parent.name)


def dropouts(config: dict, family: str) -> list[float]:
    """Return the distinct dropout probabilities inside an encoder, sorted, from its `config.json`."""
    settings = families.encoder_family(family).adapted_config(config)
    return sorted({float(getattr(settings, name)) for name in DROPOUTS if hasattr(settings, name)})


def head_labels(config: dict) -> list[str]:
    """Return the labels that a checkpoint was fine-tuned to predict, from its `config.json`; none if unnamed."""
    labels = config.get("id2label") or {}
    return [str(label) for label in labels.values() if not str(label).startswith("LABEL_")]


def _check_config(config: dict, family: str, where: str) -> None:
    if (model_type := config.get("model_type")) != family:
        raise UserError(
            f"{where} is a checkpoint of type {model_type!r}, not of family {family!r}: correct the model's entry"
        )
    if "quantization_config" in config:
        raise UserError(f"{where} is quantised, by its config.json: use a checkpoint in floating point")


def _load_encoder(name: str, revision: str | None, config: dict, family: str, where: str) -> PreTrainedModel:
    architecture = families.encoder_family(family)
    model, report = architecture.model.from_pretrained(
        name,
        revision=revision,
        config=architecture.adapted_config(config),
        dtype=torch.float32,  # some are published in half precision
        ignore_mismatched_sizes=True,  # reported below
        output_loading_info=True,
    )
    absent = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
    if absent := sorted(key for key in absent if key.startswith(architecture.part)):
        raise UserError(
            f"{where}: the weights lack tensors that its config.json describes, or have them in another shape:"
            f" {listing(absent)}. Download the checkpoint again, or use another one."
        )
    encoder = model.get_submodule(architecture.part)
    if unusable := [key for key, tensor in encoder.state_dict().items() if not _is_usable(tensor)]:
        raise UserError(
            f"{where} has weights that are NaN, infinite or all zero: {listing(unusable)}. Download it again, or use"
            " another checkpoint."
        )
    return encoder


def _is_usable(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is finite, and if it is a matrix not zero."""
    return bool(tensor.isfinite().all()) and (tensor.ndim < 2 or bool(tensor.any()))
