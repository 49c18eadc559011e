"""Reading of an encoder's files, as rule `encoder` writes them."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ser.core.constants import SAMPLE_RATE
from ser.core.errors import UserError, listing
from ser.core.files import read_json

REMEDY = "Download the checkpoint again, or use another one."


def read_encoder_settings(folder) -> tuple[dict, dict]:
    """Read `config.json` and `preprocessor_config.json` of an encoder.

    Raises `UserError` if it expects a sampling rate other than 16 kHz.
    """
    preprocessor = read_json(Path(folder, "preprocessor_config.json"))
    if (rate := preprocessor.get("sampling_rate", SAMPLE_RATE)) != SAMPLE_RATE:
        raise UserError(f"{folder}: the encoder expects audio at {rate} Hz; use a checkpoint for {SAMPLE_RATE} Hz")
    return read_json(Path(folder, "config.json")), preprocessor


def encoder_weights(folder) -> dict[str, torch.Tensor]:
    """Read an encoder's tensors. Raises `UserError` if the file is damaged."""
    path = Path(folder, "model.safetensors")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(
            f"{path} is damaged and cannot be read ({error}). Delete it and run Snakemake again."
        ) from error


def assign_weights(module: nn.Module, tensors: dict[str, torch.Tensor], where) -> None:
    """Load weights into an uninitialised module, without a copy.

    Tensors of no part of the module, such as those of a head, are left out. Raises `UserError` if tensors of its parts
    are missing, unknown or of another shape.
    """
    try:
        missing, unexpected = module.load_state_dict(tensors, strict=False, assign=True)
    except RuntimeError as error:
        details = "; ".join(line.strip() for line in str(error).splitlines()[1:])
        raise UserError(f"{where}: the weights do not match its config.json: {details}. {REMEDY}") from error
    if missing:
        raise UserError(
            f"{where}: the weights lack tensors that its config.json describes: {listing(missing)}. {REMEDY}"
        )
    parts = {name for name, _ in module.named_children()}
    if unexpected := [name for name in unexpected if name.partition(".")[0] in parts]:
        raise UserError(f"{where}: its config.json does not describe the tensors {listing(unexpected)}. {REMEDY}")
