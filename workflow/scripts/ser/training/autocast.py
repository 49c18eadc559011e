"""Arithmetic: float32, or bfloat16 under autocast."""

import os
from contextlib import nullcontext

import torch
from torch import nn


def uses_bfloat16(device: torch.device, precision: str) -> bool:
    """Whether a training's arithmetic is bfloat16: `auto` means on CUDA."""
    return precision == "bfloat16" or (precision == "auto" and device.type == "cuda")


def arithmetic(device: torch.device, precision: str):
    """A context with autocast to bfloat16 where asked."""
    return torch.autocast(device.type, torch.bfloat16) if uses_bfloat16(device, precision) else nullcontext()


def round_frozen_matrices(model: nn.Module) -> None:
    """Keep matrices that are never trained in bfloat16, in place.

    Autocast would round them to the same values again in every step, since it remembers only those that are trained.
    """
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if isinstance(module, nn.Linear | nn.Conv1d) and not any(parameter.requires_grad for parameter in own):
            module.to(torch.bfloat16)


def make_deterministic() -> None:
    """Choose CUDA's deterministic algorithms, before CUDA starts. An operation that has none raises `RuntimeError`."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
