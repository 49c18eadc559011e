"""Numerics: precision (float32, or bfloat16 under autocast), kernels of a GPU, deterministic algorithms."""

import os
from contextlib import nullcontext

import torch


def choose_gpu_kernels() -> None:
    """Compute float32 convolutions on a GPU in full precision, as on a CPU, and attention by kernels for all lengths.

    PyTorch's default for convolutions is TF32. cuDNN's attention is compiled for each length, which takes longer than
    it saves (docs/reference/benchmarks.md).
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.enable_cudnn_sdp(False)


def uses_bfloat16(device: torch.device, precision: str) -> bool:
    """Return whether a training run uses bfloat16; `auto` uses it on CUDA only."""
    return precision == "bfloat16" or (precision == "auto" and device.type == "cuda")


def autocast_context(device: torch.device, precision: str):
    """Return a context manager with autocast to bfloat16 where it is used."""
    return torch.autocast(device.type, torch.bfloat16) if uses_bfloat16(device, precision) else nullcontext()


def make_deterministic() -> None:
    """Select deterministic algorithms, before CUDA starts.

    An operation without one raises `RuntimeError`.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
