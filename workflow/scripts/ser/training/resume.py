"""A training's state between epochs, so that an interrupted run ends as an uninterrupted one."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from ser.core.files import written_whole
from ser.models.trainable_state import read_tensors, trained_state

log = logging.getLogger(__name__)


@dataclass
class Progress:
    """What is known after some epochs; with the model's and the optimiser's state, all that a resumed run needs."""

    epochs_done: int = 0
    history: list[dict] = field(default_factory=list)
    best_epoch: int = 0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    seconds: float = 0.0  # spent on these epochs, start-up included, by whichever processes
    parts: int = 1  # in which a batch fits the GPU's memory


def save(path: Path, fingerprint: str, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Write the state, whole or not at all."""
    tensors = {f"model/{name}": value for name, value in trained_state(model).items()}
    tensors |= {f"best/{name}": value for name, value in progress.best_weights.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value.cpu() for name, value in state.items()}
    known = {name: value for name, value in vars(progress).items() if name != "best_weights"}
    with written_whole(path) as temporary:
        save_file(tensors, temporary, {"fingerprint": fingerprint, "progress": json.dumps(known)})


def take_up(path: Path, fingerprint: str, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Load a state of the same fingerprint into the model and the optimiser; without one, start afresh."""
    if not path.exists():
        return Progress()
    try:
        tensors, metadata = read_tensors(path)
    except SafetensorError as error:
        log.warning("%s is damaged (%s): starting afresh", path, error)
        return Progress()
    if metadata["fingerprint"] != fingerprint:
        log.info("%s belongs to other settings, code or inputs: starting afresh", path)
        return Progress()
    parts: dict[str, dict] = {"model": {}, "best": {}, "optimizer": {}}
    for name, value in tensors.items():
        part, rest = name.split("/", 1)
        parts[part][rest] = value
    model.load_state_dict(parts["model"], strict=False)
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in parts["optimizer"].items():
        index, rest = name.split("/", 1)
        states.setdefault(int(index), {})[rest] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    progress = Progress(**json.loads(metadata["progress"]), best_weights=parts["best"])
    log.info("resuming after epoch %d", progress.epochs_done)
    return progress
