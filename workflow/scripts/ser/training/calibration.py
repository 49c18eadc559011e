"""Adaptation of a trained model to unlabelled recordings, and calibration of its probabilities.

Adaptation replaces the mean and standard deviation of the target's embeddings by those of the source's training data:
each dimension is standardised over the target's utterances, as z-normalisation by corpus in speech emotion recognition
(Schuller et al., Cross-corpus acoustic emotion recognition: variances and strategies, 2010). No label is used.

Calibration divides the logits by a temperature (Guo et al., On calibration of modern neural networks, 2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from ser.core.errors import UserError
from ser.core.files import atomic_write, sha256
from ser.models.trainable_state import read_tensors

EXTREME = 100.0  # largest temperature, and inverse of the smallest: without errors in the data there is no best one


@dataclass(frozen=True)
class Calibration:
    """Statistics of a trained model's source, which adapt and calibrate its predictions for other recordings.

    Args:
        mean: of the embeddings of the source's training data, float64, (width,).
        deviation: their standard deviation, float64, (width,).
        temperature: fitted on the source's development data.
    """

    mean: torch.Tensor
    deviation: torch.Tensor
    temperature: float

    def adapted(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return a target's embeddings (utterances, width) with the source's mean and standard deviation, float32.

        A dimension that is constant over the target becomes the source's mean.
        """
        mean, deviation = moments(embeddings)
        standardised = (embeddings.double().cpu() - mean) / deviation.where(deviation > 0, 1.0)
        return (standardised * self.deviation + self.mean).float()

    def probabilities(self, logits: torch.Tensor) -> np.ndarray:
        """Return calibrated class probabilities, float64, (utterances, 4)."""
        return torch.softmax(logits.double() / self.temperature, dim=-1).cpu().numpy()

    def save(self, path, weights) -> None:
        """Write a safetensors file that belongs to a file of weights."""
        tensors = {"mean": self.mean, "deviation": self.deviation}
        tensors["temperature"] = torch.tensor(self.temperature, dtype=torch.float64)
        with atomic_write(path) as temporary:
            save_file(tensors, temporary, {"weights_sha256": sha256(weights)})

    @classmethod
    def load(cls, path, weights) -> "Calibration":
        """Read the file. Raises `UserError` if it is damaged, or belongs to other weights."""
        tensors, record = read_tensors(path)
        if (record or {}).get("weights_sha256") != sha256(weights):
            raise UserError(f"{path} was computed for other weights than {weights}. Delete it and run Snakemake again.")
        return cls(tensors["mean"], tensors["deviation"], tensors["temperature"].item())


def moments(embeddings: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and standard deviation of embeddings (utterances, width), float64 on the CPU."""
    values = embeddings.double().cpu()
    return values.mean(dim=0), values.std(dim=0, correction=0)


def fit_temperature(logits: torch.Tensor, labels: Sequence[int]) -> float:
    """Return the temperature with the smallest cross-entropy.

    Args:
        logits: (utterances, 4).
        labels: class index of each utterance.
    """
    from scipy.optimize import minimize_scalar  # slow to import, and predictions do not need it

    logits, labels = logits.double().cpu(), torch.as_tensor(labels)

    def loss(log_temperature: float) -> float:
        return nn.functional.cross_entropy(logits / np.exp(log_temperature), labels).item()

    limit = float(np.log(EXTREME))
    return float(np.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x))
