"""Predictions of a trained model: loading it, probabilities from its embeddings, and rows of prediction files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.core.paths import ADAPTED, CALIBRATED
from ser.models import families, trainable_state
from ser.models.emotion_classifier import EmotionClassifier
from ser.training.calibration import Calibration

COLUMNS = ("target", "condition", "utterance", "emotion", "predicted", *EMOTIONS)


def load_model(
    entry: Mapping, encoder: Path | None, weights, device: torch.device, whole: bool = False
) -> EmotionClassifier:
    """Build a trained model and load its weights.

    Args:
        entry: the model's entry in the configuration.
        encoder: folder of its encoder, if it has one.
        weights: path of the weights of its training run.
        whole: whether to include a frozen encoder, of which the workflow's jobs have the output.

    Raises `UserError` if a file is damaged, or the weights are of another model.
    """
    model = families.build(entry, encoder, whole).to(device)
    trainable_state.load_trained_state(model, weights)
    return model.eval()


def classify_embeddings(
    model: EmotionClassifier,
    embedded: torch.Tensor,
    device: torch.device,
    condition: str,
    calibration: Calibration | None,
    weights,
) -> np.ndarray:
    """Predict class probabilities from a target's embeddings: float64, (utterances, 4), columns as `EMOTIONS`.

    Args:
        embedded: of all utterances of the target, (utterances, width).
        condition: `adapted` adapts the embeddings to the source and calibrates, `calibrated` calibrates alone.
        calibration: required for these two.
        weights: path of the model's weights, for the message.

    Raises `UserError` if the probabilities are not finite.
    """
    if condition == ADAPTED:
        embedded = calibration.adapted(embedded)
    scores = model.classify_all(embedded, device)
    calibrated = condition in (ADAPTED, CALIBRATED)
    found = calibration.probabilities(scores) if calibrated else torch.softmax(scores.double(), dim=-1).numpy()
    if not np.isfinite(found).all():
        raise UserError(
            f"{weights}: predicted probabilities contain NaN or infinity. Training diverged, or the file is damaged."
            " Train the model again: delete the file and run Snakemake. If it happens again, lower the model's"
            " `learning_rate`."
        )
    return found


def prediction_rows(target: str, condition: str, utterances: Sequence[dict], predicted: np.ndarray) -> list[tuple]:
    """Return the rows of a prediction file, in the order of `COLUMNS`.

    Args:
        utterances: rows of the target's `utterances.csv`.
        predicted: probabilities, (utterances, 4).
    """
    return [
        (target, condition, row["utterance"], row["emotion"], EMOTIONS[values.argmax()], *map("{:.8f}".format, values))
        for row, values in zip(utterances, predicted, strict=True)
    ]
