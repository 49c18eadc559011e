"""Fine-tuning: epochs over a source (and target samples), the best one kept, interruptions survived."""

import json
import logging
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ser.batches import Frames, pad, random_batches
from ser.errors import UserError
from ser.files import written_whole
from ser.inference import probabilities
from ser.metrics import unweighted_average_recall
from ser.optimizer import Adam, trained_parameters
from ser.randomness import named_generator, named_seed
from ser.vocabulary import EMOTIONS

log = logging.getLogger(__name__)

HISTORY_COLUMNS = ("epoch", "train_loss", "dev_loss", "dev_uar")


@dataclass(frozen=True)
class Examples:
    """Utterances as a model sees them: frames, and their emotions."""

    frames: Sequence[Frames]
    emotions: Sequence[str]

    @property
    def labels(self) -> np.ndarray:
        """Indices into `EMOTIONS`, int64, shape (utterances,)."""
        return np.array([EMOTIONS.index(emotion) for emotion in self.emotions])


@dataclass
class Progress:
    """What is known after some epochs; with the optimiser's state, all that a resumed run needs."""

    epochs_done: int = 0
    history: list[dict] = field(default_factory=list)
    best_epoch: int = 0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)


def initialise(build, settings: dict, encoder, seed: int) -> nn.Module:
    """Build a model whose random weights depend on the repetition alone."""
    torch.manual_seed(named_seed("initialisation", seed))
    return build(settings, encoder)


def fine_tune(
    model: nn.Module,
    train: Examples,
    dev: Examples,
    *,
    settings: dict,
    seed: int,
    device: torch.device,
    state_path: Path,
    fingerprint: str,
) -> Progress:
    """Train with Adam and cross-entropy, and keep the epoch that is best on the development set.

    Best is the highest development UAR, then the lower loss, then the earlier epoch. After every
    epoch all that a continuation needs is written to `state_path`; a state of the same fingerprint
    is taken up again, any other is ignored. Batch order and dropout of an epoch depend on
    the repetition and the epoch only, so an interrupted run ends as an uninterrupted one.

    Args:
        settings: `epochs`, `batch_size`, `learning_rate`, `precision`.
        seed: the repetition.

    Raises `UserError` if a class is missing from the training data, or the loss is not finite.
    """
    if missing := [emotion for emotion in EMOTIONS if emotion not in set(train.emotions)]:
        raise UserError(f"the training data has no {' and no '.join(missing)} utterance: nothing could learn it")
    model.to(device)
    optimizer = Adam(trained_parameters(model), settings["learning_rate"])
    progress = _resume(state_path, fingerprint, model, optimizer)
    lengths = [len(frames.values) for frames in train.frames]
    labels = torch.from_numpy(train.labels)

    for epoch in range(progress.epochs_done + 1, settings["epochs"] + 1):
        started = time.perf_counter()
        torch.manual_seed(named_seed("dropout", seed, epoch))
        batches = random_batches(lengths, settings["batch_size"], named_generator("batches", seed, epoch))
        model.train()
        total_loss = torch.zeros((), device=device)
        for batch in batches:
            frames, batch_lengths = pad([train.frames[i] for i in batch], device)
            with precision_context(device, settings["precision"]):
                logits = model(frames, batch_lengths)
            loss = nn.functional.cross_entropy(logits.float(), labels[batch].to(device))
            loss.backward()
            optimizer.step()
            total_loss += loss.detach() * len(batch)
        row = {"epoch": epoch, "train_loss": total_loss.item() / len(labels), **evaluate(model, dev, settings, device)}
        if not (math.isfinite(row["train_loss"]) and math.isfinite(row["dev_loss"])):
            raise UserError(
                f"the loss is not finite in epoch {epoch}: the training diverged. Lower the model's `learning_rate`."
            )
        progress.history.append(row)
        progress.epochs_done = epoch
        if is_best(progress.history):
            progress.best_epoch = epoch
            progress.best_weights = trained_state(model)
        if epoch < settings["epochs"]:
            _save_state(state_path, fingerprint, progress, model, optimizer)
        log.info(
            "epoch %d of %d: train loss %.4f, dev loss %.4f, dev UAR %.2f %% (%.1f s)",
            *(epoch, settings["epochs"], row["train_loss"], row["dev_loss"], row["dev_uar"]),
            time.perf_counter() - started,
        )
    return progress


def evaluate(model: nn.Module, dev: Examples, settings: dict, device: torch.device) -> dict[str, float]:
    """Mean cross-entropy and UAR in % on a development set."""
    predicted = probabilities(model, dev.frames, settings["batch_size"], device)
    labels = dev.labels
    true_probabilities = predicted[np.arange(len(labels)), labels]
    loss = float(np.mean(-np.log(np.maximum(true_probabilities, 1e-30))))
    guesses = [EMOTIONS[i] for i in predicted.argmax(axis=1)]
    return {"dev_loss": loss, "dev_uar": unweighted_average_recall(dev.emotions, guesses)}


def is_best(history: Sequence[dict]) -> bool:
    """Whether the last epoch is the best so far: UAR first, then loss; the earlier one wins a tie."""

    def merit(row):
        return row["dev_uar"], -row["dev_loss"]

    return all(merit(history[-1]) > merit(row) for row in history[:-1])


def uses_bfloat16(device: torch.device, precision: str) -> bool:
    """Whether the arithmetic is bfloat16 (under autocast): `auto` means on CUDA."""
    return precision == "bfloat16" or (precision == "auto" and device.type == "cuda")


def precision_context(device: torch.device, precision: str):
    """Autocast to bfloat16 where asked."""
    return torch.autocast(device.type, torch.bfloat16, enabled=uses_bfloat16(device, precision))


def trained_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Copies, on the CPU, of all that training changes: trained parameters and buffers."""
    trained = trained_parameters(model).keys() | {name for name, _ in model.named_buffers()}
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items() if name in trained}


def load_trained_state(model: nn.Module, path: str | os.PathLike) -> None:
    """Load what `trained_state` kept. Raises `UserError` if the file belongs to another model."""
    with safe_open(path, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    expected = trained_state(model)
    if weights.keys() != expected.keys() or any(weights[n].shape != expected[n].shape for n in weights):
        raise UserError(f"{path} holds the weights of another model than the configured one: train it again")
    model.load_state_dict(weights, strict=False)


def _save_state(path: Path, fingerprint: str, progress: Progress, model, optimizer) -> None:
    tensors = {f"model/{name}": value for name, value in trained_state(model).items()}
    tensors |= {f"best/{name}": value for name, value in progress.best_weights.items()}
    tensors |= {f"optimizer/{name}": value.cpu() for name, value in optimizer.state().items()}
    metadata = {
        "fingerprint": fingerprint,
        "epochs_done": str(progress.epochs_done),
        "best_epoch": str(progress.best_epoch),
        "history": json.dumps(progress.history),
    }
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata)


def _resume(path: Path, fingerprint: str, model, optimizer) -> Progress:
    """Take up a state of the same fingerprint; without one, start afresh."""
    if not path.exists():
        return Progress()
    try:
        file = safe_open(path, framework="pt")
    except SafetensorError as error:
        log.warning("%s is damaged (%s): starting afresh", path, error)
        return Progress()
    with file:
        metadata = file.metadata()
        if metadata["fingerprint"] != fingerprint:
            log.info("%s belongs to other settings, code or inputs: starting afresh", path)
            return Progress()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    parts: dict[str, dict] = {"model": {}, "best": {}, "optimizer": {}}
    for name, value in tensors.items():
        part, rest = name.split("/", 1)
        parts[part][rest] = value
    model.load_state_dict(parts["model"], strict=False)
    optimizer.load_state(parts["optimizer"])
    progress = Progress(
        int(metadata["epochs_done"]), json.loads(metadata["history"]), int(metadata["best_epoch"]), parts["best"]
    )
    log.info("resuming after epoch %d", progress.epochs_done)
    return progress
