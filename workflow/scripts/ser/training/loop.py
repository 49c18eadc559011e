"""Training loop with selection of the best epoch, and resuming."""

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.core.metrics import unweighted_average_recall
from ser.core.seeding import named_generator, named_seed
from ser.models import families
from ser.models.batching import on_device, pad, random_batches, rounded_length
from ser.models.emotion_classifier import EmotionClassifier
from ser.models.oom import retry_on_oom
from ser.models.trainable_state import trained_parameters, trained_state
from ser.training import resume
from ser.training.data import Examples
from ser.training.numerics import autocast_context
from ser.training.recorded_steps import RecordedSteps
from ser.training.resume import Progress

log = logging.getLogger(__name__)

# Utterances: on a CPU, micro-batches of similar length save padding and memory (docs/reference/benchmarks.md).
CPU_MICRO_BATCH = 4

HISTORY_COLUMNS = ("epoch", "train_loss", "dev_loss", "dev_uar")


def initialise(entry: dict, encoder, seed: int) -> EmotionClassifier:
    """Build the model of a configuration's entry; its random weights depend on the seed only."""
    torch.manual_seed(named_seed("initialisation", seed))
    return families.build(entry, encoder)


def fine_tune(
    model: EmotionClassifier,
    train: Examples,
    dev: Examples,
    *,
    settings: dict,
    seed: int,
    device: torch.device,
    state_path: Path,
    fingerprint: str,
    started: float,
) -> Progress:
    """Train with Adam and cross-entropy, and keep the best epoch.

    The best epoch has the highest development UAR; a tie is won by the lower loss, then by the earlier epoch. Training
    ends after `epochs`, or once the development loss has not improved for `patience` epochs. After every epoch but the
    last, the training state is saved to `state_path`. A state with the same fingerprint is resumed,
    any other is ignored. Batch order and dropout of an epoch depend on the seed and the epoch only, so a resumed run
    gives the same result as an uninterrupted one: on a CPU with the same number of threads, the same bytes.

    Args:
        settings: `epochs`, `patience` (None trains all epochs), `batch_size`, `learning_rate`, `precision`.
        seed: the run's seed.
        started: start time of the job, from `time.perf_counter()`.

    Raises `UserError` if a class is missing from the training data, or the loss is not finite.
    """
    check_emotions(train)
    updates = Updates(model.to(device), train, settings, device)
    progress = resume.load(state_path, fingerprint, model, updates.optimizer)
    updates.splits, seconds_before = max(progress.splits, updates.splits), progress.seconds
    lengths = train.samples

    remaining = range(progress.epochs_done + 1, settings["epochs"] + 1)
    for epoch in tqdm(remaining, "training", unit="epoch", disable=None, leave=False):
        if has_converged(progress.history, settings["patience"]):
            break
        batches = random_batches(lengths, settings["batch_size"], named_generator("batches", seed, epoch))
        model.train()
        total_loss = torch.zeros((), device=device)
        for step, batch in enumerate(batches):
            total_loss += updates.make(batch, named_seed("dropout", seed, epoch, step))
        row = {"train_loss": total_loss.item() / len(lengths), **evaluate(model, dev, settings, device)}
        if not (math.isfinite(row["train_loss"]) and math.isfinite(row["dev_loss"])):
            raise UserError(
                f"the loss is NaN or infinite in epoch {epoch}: training diverged. Lower the model's `learning_rate`."
            )
        progress.history.append({"epoch": epoch, **row})
        progress.epochs_done, progress.splits = epoch, updates.splits
        progress.seconds = seconds_before + time.perf_counter() - started
        if is_best(progress.history):
            progress.best_epoch = epoch
            progress.best_weights = trained_state(model)
        if epoch < settings["epochs"]:
            resume.save(state_path, fingerprint, progress, model, updates.optimizer)
        log.info("epoch %d of %d: %s", epoch, settings["epochs"], ", ".join(f"{k} {v:.4g}" for k, v in row.items()))
    progress.converged = has_converged(progress.history, settings["patience"])
    return progress


def check_emotions(train: Examples) -> None:
    """Raise `UserError` if a class is missing from the training data."""
    if missing := [emotion for emotion in EMOTIONS if emotion not in set(train.emotions)]:
        raise UserError(
            f"the training data has no {' and no '.join(missing)} utterance: use a source with all four emotions"
        )


class Updates:
    """Optimiser updates of a model, one per batch.

    Attributes:
        recorded: steps recorded as CUDA graphs, None if the model or the device does not allow them.
        splits: number of micro-batches of a batch.
    """

    def __init__(self, model: EmotionClassifier, train: Examples, settings: dict, device: torch.device):
        self.optimizer = torch.optim.Adam(trained_parameters(model).values(), settings["learning_rate"])
        self._model, self._frames, self._labels = model, train.frames, torch.from_numpy(train.labels)
        self._precision, self._device = settings["precision"], device
        # batch statistics of a micro-batch differ from those of the batch
        self._divisible = not any(isinstance(module, nn.BatchNorm1d) for module in model.modules())
        self._longest = max(len(own.values) for own in train.frames)
        self.recorded = RecordedSteps(self._add_gradients) if device.type == "cuda" and model.recordable else None
        in_parts = device.type == "cpu" and self._divisible and self._longest > 1
        self.splits = math.ceil(settings["batch_size"] / CPU_MICRO_BATCH) if in_parts else 1

    def make(self, batch: np.ndarray, seed: int) -> torch.Tensor:
        """Update the weights with a batch.

        Gradients are accumulated over micro-batches if memory requires it.

        Args:
            batch: indices of utterances.
            seed: for dropout.

        Returns the sum of the utterances' losses, on the device.
        """
        loss, self.splits = retry_on_oom(
            lambda micro_batches: self._set_gradients(micro_batches, seed),
            self._frames,
            batch,
            self.splits,
            self._divisible,
        )
        self.optimizer.step()
        return loss

    def _set_gradients(self, micro_batches: Sequence[np.ndarray], seed: int) -> torch.Tensor:
        """Set the gradients to those of the batch's mean loss, and return the sum of its losses."""
        # a failed attempt may have left gradients; recorded steps keep their addresses
        self.optimizer.zero_grad(set_to_none=self.recorded is None)
        torch.manual_seed(seed)
        total, utterances = torch.zeros((), device=self._device), sum(map(len, micro_batches))
        for indices in micro_batches:
            frames, lengths = pad([self._frames[i] for i in indices], self._device)
            labels = on_device(self._labels[indices], self._device)
            step = self._add_gradients
            if self.recorded:  # padded to few lengths, so that shapes recur
                more = rounded_length(frames.shape[1], self._longest) - frames.shape[1]
                frames = nn.functional.pad(frames, (0, 0) * (frames.ndim - 2) + (0, more))
                step, lengths = self.recorded, on_device(lengths, self._device)
            total += step(frames, lengths, labels, utterances=utterances)
        return total

    def _add_gradients(self, frames, lengths, labels, utterances: int) -> torch.Tensor:
        """Add the gradients of a micro-batch's share of the mean loss, and return the sum of its losses."""
        with autocast_context(self._device, self._precision):
            logits = self._model(frames, lengths)
        loss = nn.functional.cross_entropy(logits.float(), labels, reduction="sum")
        (loss / utterances).backward()
        return loss.detach()


def evaluate(model: EmotionClassifier, dev: Examples, settings: dict, device: torch.device) -> dict[str, float]:
    """Return mean cross-entropy and UAR (%), in the precision of training."""
    with autocast_context(device, settings["precision"]):
        embeddings = model.embed_all(dev.frames, settings["batch_size"], device)
        scores = model.classify_all(embeddings, device).double()
    loss = nn.functional.cross_entropy(scores, torch.from_numpy(dev.labels)).item()
    classes = [EMOTIONS[i] for i in scores.argmax(dim=1)]
    return {"dev_loss": loss, "dev_uar": unweighted_average_recall(dev.emotions, classes)}


def has_converged(history: Sequence[dict], patience: int | None) -> bool:
    """Return whether the development loss has not improved in the last `patience` epochs; None: never."""
    losses = [row["dev_loss"] for row in history]
    return patience is not None and len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])


def is_best(history: Sequence[dict]) -> bool:
    """Return whether the last epoch is the best: by UAR, then loss, then order."""

    def criterion(row):
        return row["dev_uar"], -row["dev_loss"]

    return all(criterion(history[-1]) > criterion(row) for row in history[:-1])
