"""One fine-tuning run: from files to weights, history and a record."""

import hashlib
import json
import logging
import os
import platform
import resource
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from ser import families
from ser.files import read_rows
from ser.training import Examples, Progress, uses_bfloat16

log = logging.getLogger(__name__)


def choose_device(gpus: int) -> torch.device:
    """CUDA if the job was given a GPU and there is one, else the CPU, and then say so."""
    if gpus and torch.cuda.is_available():
        torch.backends.cudnn.allow_tf32 = False  # float32 means float32, as it does on a CPU
        return torch.device("cuda")
    if gpus:
        log.warning("no GPU is visible: running on the CPU (`device: cpu` in the config says so on purpose)")
    return torch.device("cpu")


def fingerprint(settings: dict, inputs: Sequence[str | os.PathLike]) -> str:
    """Content hash of a run's settings, code (whose hash is among the settings) and input files."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path in inputs:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def read_examples(family: str, frames_path, utterances_path, wanted: Sequence[str]) -> Examples:
    """Frames and emotions of the wanted utterances of one corpus, in the corpus's order."""
    rows = read_rows(utterances_path)
    frames = families.load(family).open_frames(frames_path, rows)
    chosen = set(wanted)
    pairs = [(f, row["emotion"]) for f, row in zip(frames, rows, strict=True) if row["utterance"] in chosen]
    return Examples([f for f, _ in pairs], [emotion for _, emotion in pairs])


def seconds_of(utterances_path, wanted: Sequence[str]) -> float:
    """Seconds of audio of the wanted utterances."""
    chosen = set(wanted)
    return sum(float(row["seconds"]) for row in read_rows(utterances_path) if row["utterance"] in chosen)


def together(first: Examples, second: Examples) -> Examples:
    """Two sets of examples as one."""
    return Examples([*first.frames, *second.frames], [*first.emotions, *second.emotions])


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Parameters in total and those that training changes."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return {"total": sum(size for size, _ in sizes), "trained": sum(size for size, trained in sizes if trained)}


def record_of_run(
    identity: Mapping,
    *,
    settings: dict,
    progress: Progress,
    model: nn.Module,
    train: Examples,
    seconds_of_audio: float,
    device: torch.device,
    started: float,
) -> dict:
    """What `run.json` keeps of a finished run."""
    best = progress.history[progress.best_epoch - 1]
    on_gpu = device.type == "cuda"
    return {
        **identity,
        "settings": settings,
        "selected_epoch": progress.best_epoch,
        "dev_uar": best["dev_uar"],
        "parameters": count_parameters(model),
        "train_utterances": len(train.emotions),
        "audio_seconds": seconds_of_audio,
        "device": torch.cuda.get_device_name() if on_gpu else f"cpu ({platform.machine()})",
        "threads": torch.get_num_threads(),
        "precision": "bfloat16" if uses_bfloat16(device, settings["training"]["precision"]) else "float32",
        "seconds": time.perf_counter() - started,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "peak_gpu_memory_bytes": torch.cuda.max_memory_allocated() if on_gpu else None,
        "versions": {name: version(name) for name in ("torch", "numpy", "safetensors")}
        | {"python": platform.python_version()},
    }


def state_path(weights: str | os.PathLike) -> Path:
    """Where a run keeps its resumable state: beside its outputs, but not one of them."""
    return Path(weights).with_name("resume.safetensors")
