"""What training changes of a model: named, copied, loaded."""

import os

import torch
from safetensors import SafetensorError, safe_open

from ser.core.errors import UserError


def trained_parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters that training changes, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def trained_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies, on the CPU, of all that training changes: trained parameters and buffers."""
    trained = trained_parameters(model).keys() | {name for name, _ in model.named_buffers()}
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items() if name in trained}


def load_trained_state(model: torch.nn.Module, path: str | os.PathLike) -> None:
    """Load what `trained_state` kept. Raises `UserError` if the file is damaged or belongs to another model."""
    try:
        weights, _ = read_tensors(path)
    except SafetensorError as error:
        raise UserError(f"{path} cannot be read ({error}): it is damaged. Delete it and train again.") from error
    expected = trained_state(model)
    if weights.keys() != expected.keys() or any(weights[n].shape != expected[n].shape for n in weights):
        raise UserError(f"{path} holds the weights of another model than the configured one: train it again")
    model.load_state_dict(weights, strict=False)


def read_tensors(path: str | os.PathLike) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file. Raises `SafetensorError` if it is damaged."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118 (no mapping)
