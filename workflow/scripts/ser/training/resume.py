"""Training state between epochs, to resume interrupted training runs."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from ser.core.files import atomic_write
from ser.models.trainable_state import read_tensors, trained_state

log = logging.getLogger(__name__)


@dataclass
class Progress:
    """Training state, except the states of model and optimiser."""

    epochs_done: int = 0
    history: list[dict] = field(default_factory=list)
    best_epoch: int = 0
    converged: bool = False
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    seconds: float = 0.0  # spent on these epochs by all processes, including start-up
    splits: int = 1  # micro-batches per batch that fit the GPU's memory


def save(path: Path, fingerprint: str, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Write the training state atomically."""
    tensors = {f"model/{name}": value for name, value in trained_state(model).items()}
    tensors |= {f"best/{name}": value for name, value in progress.best_weights.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value.cpu() for name, value in state.items()}
    metadata = {name: value for name, value in vars(progress).items() if name != "best_weights"}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, {"fingerprint": fingerprint, "progress": json.dumps(metadata)})


def load(path: Path, fingerprint: str, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Load a state with this fingerprint, or return the progress of a new run. Raises `UserError` if it is damaged."""
    if not path.exists():
        return Progress()
    tensors, metadata = read_tensors(path)
    if metadata["fingerprint"] != fingerprint:
        log.info(
            "the training state %s was saved with other settings, code, inputs or device: starting at the first epoch",
            path,
        )
        return Progress()
    groups: dict[str, dict] = {"model": {}, "best": {}, "optimizer": {}}
    for name, value in tensors.items():
        group, rest = name.split("/", 1)
        groups[group][rest] = value
    model.load_state_dict(groups["model"], strict=False)
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in groups["optimizer"].items():
        index, rest = name.split("/", 1)
        states.setdefault(int(index), {})[rest] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    progress = Progress(**json.loads(metadata["progress"]), best_weights=groups["best"])
    log.info("resuming after epoch %d", progress.epochs_done)
    return progress
