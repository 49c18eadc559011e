"""Arithmetic: float32, or bfloat16 under autocast."""

import os
from contextlib import nullcontext

import torch


def uses_bfloat16(device: torch.device, precision: str) -> bool:
    """Whether a training's arithmetic is bfloat16: `auto` means on CUDA."""
    return precision == "bfloat16" or (precision == "auto" and device.type == "cuda")


def arithmetic(device: torch.device, precision: str):
    """A context with autocast to bfloat16 where asked."""
    return torch.autocast(device.type, torch.bfloat16) if uses_bfloat16(device, precision) else nullcontext()


def make_deterministic() -> None:
    """Choose CUDA's deterministic algorithms, before CUDA starts. An operation that has none raises `RuntimeError`."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
