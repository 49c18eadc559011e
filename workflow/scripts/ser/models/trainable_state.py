"""Trained parameters and buffers of a model, without its frozen parameters."""

import os

import torch
from safetensors import SafetensorError, safe_open

from ser.core.errors import UserError


def trained_parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Return the parameters that are trained, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def trained_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return copies of trained parameters and buffers, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in _trained(model).items()}


def _trained(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    names = trained_parameters(model).keys() | {name for name, _ in model.named_buffers()}
    return {name: value for name, value in model.state_dict().items() if name in names}


def load_trained_state(model: torch.nn.Module, path: str | os.PathLike) -> None:
    """Load saved weights. Raises `UserError` if damaged or of another model."""
    weights, _ = read_tensors(path)
    expected = _trained(model)
    if weights.keys() != expected.keys() or any(weights[n].shape != expected[n].shape for n in weights):
        raise UserError(
            f"{path} holds weights of another model than the configured one. Delete it and run Snakemake again."
        )
    model.load_state_dict(weights, strict=False)


def read_tensors(path: str | os.PathLike) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read tensors and metadata. Raises `UserError` if the file is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118 (not a mapping)
    except SafetensorError as error:
        raise UserError(
            f"{path} is damaged and cannot be read ({error}). Delete it and run Snakemake again."
        ) from error
