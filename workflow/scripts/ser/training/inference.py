"""Class probabilities of utterances, and rows of prediction files."""

from collections.abc import Sequence

import numpy as np
import torch

from ser.core.constants import EMOTIONS
from ser.models.batching import Frames, pad, sorted_batches
from ser.models.oom import retry_on_oom
from ser.training.autocast import autocast_context

COLUMNS = ("target", "condition", "utterance", "emotion", "predicted", *EMOTIONS)


@torch.inference_mode()
def probabilities(
    model, frames: Sequence[Frames], batch_size: int, device: torch.device, precision: str = "float32"
) -> np.ndarray:
    """Predict class probabilities, in the order of the frames.

    In float32 they do not depend on the batches. Returns float64 of shape (utterances, 4), columns as `EMOTIONS`.
    Raises `UserError` if memory does not suffice for one utterance.
    """
    model.eval()

    def predict(micro_batches):
        outputs = []
        for indices in micro_batches:
            padded, lengths = pad([frames[i] for i in indices], device)
            with autocast_context(device, precision):
                logits = model(padded, lengths)
            outputs.append(torch.softmax(logits.double(), dim=-1))
        return torch.cat(outputs)

    order, outputs, splits = [], [], 1
    for batch in sorted_batches([len(utterance.values) for utterance in frames], batch_size):
        output, splits = retry_on_oom(predict, frames, batch, splits)
        order.append(batch)
        outputs.append(output)
    result = np.zeros((len(frames), len(EMOTIONS)))
    if outputs:
        result[np.concatenate(order)] = torch.cat(outputs).cpu().numpy()
    return result


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
