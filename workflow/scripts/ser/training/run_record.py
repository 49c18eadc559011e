"""Record of a finished training run (`run.json`), and its fingerprint."""

import hashlib
import json
import math
import os
import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from ser.core.constants import SAMPLE_RATE
from ser.core.files import sha256
from ser.models.emotion_classifier import EmotionClassifier
from ser.training.data import Examples
from ser.training.numerics import uses_bfloat16
from ser.training.resume import Progress

# module -> package whose version is recorded, if the module is imported
PACKAGES = {name: name for name in ("numpy", "peft", "safetensors", "torch", "transformers")}
PACKAGES["sklearn"] = "scikit-learn"


def fingerprint(settings: dict, inputs: Sequence[str | os.PathLike]) -> str:
    """Return a hash of a run's settings, which include a code hash, and input files."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path in inputs:
        digest.update(sha256(path).encode())
    return digest.hexdigest()


def count_parameters(model: EmotionClassifier) -> dict[str, int]:
    """Count all parameters, those of the encoder, and those that are trained."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return {
        "total": sum(size for size, _ in sizes) + model.absent_parameters,
        "encoder": model.encoder_parameters,
        "trained": sum(size for size, trained in sizes if trained),
    }


def record_of_run(
    identity: Mapping,
    *,
    settings: dict,
    progress: Progress,
    model: EmotionClassifier,
    train: Examples,
    device: torch.device,
) -> dict:
    """Return the content of `run.json` for a finished run."""
    best = progress.history[progress.best_epoch - 1]
    on_gpu = device.type == "cuda"
    return {
        **identity,
        "settings": settings,
        "selected_epoch": progress.best_epoch,
        "epochs": progress.epochs_done,
        "converged": progress.converged,
        "train_loss": progress.history[-1]["train_loss"],
        "dev_uar": best["dev_uar"],
        "parameters": count_parameters(model),
        "train_utterances": len(train.emotions),
        "train_seconds": sum(train.samples) / SAMPLE_RATE,
        "device": torch.cuda.get_device_name() if on_gpu else f"cpu ({platform.machine()})",
        "threads": torch.get_num_threads(),
        "precision": "bfloat16" if uses_bfloat16(device, settings["training"]["precision"]) else "float32",
        "micro_batch_size": math.ceil(settings["training"]["batch_size"] / progress.splits),
        "seconds": progress.seconds,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "peak_gpu_memory_bytes": torch.cuda.max_memory_allocated() if on_gpu else None,
        "versions": {package: version(package) for module, package in PACKAGES.items() if module in sys.modules}
        | {"python": platform.python_version()},
    }


def state_path(weights: str | os.PathLike) -> Path:
    """Return the path of the saved training state, which is not an output."""
    return Path(weights).with_name("resume.safetensors")
