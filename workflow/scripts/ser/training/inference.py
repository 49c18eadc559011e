"""Class probabilities of utterances, the same in any batch, and the rows of prediction files."""

from collections.abc import Sequence

import numpy as np
import torch

from ser.core.constants import EMOTIONS
from ser.models.batching import Frames, pad, sorted_batches
from ser.models.oom import retry_on_oom
from ser.training.autocast import arithmetic

COLUMNS = ("target", "condition", "utterance", "emotion", "predicted", *EMOTIONS)


@torch.inference_mode()
def probabilities(
    model, frames: Sequence[Frames], batch_size: int, device: torch.device, precision: str = "float32"
) -> np.ndarray:
    """Class probabilities in the frames' order; in float32, whatever training used, batches do not matter.

    Returns float64 of shape (utterances, 4), columns as `EMOTIONS`. Raises `UserError` if the GPU's memory does not
    suffice for one utterance.
    """
    model.eval()

    def of(parts):
        found = []
        for part in parts:
            padded, lengths = pad([frames[i] for i in part], device)
            with arithmetic(device, precision):
                logits = model(padded, lengths)
            found.append(torch.softmax(logits.double(), dim=-1))
        return torch.cat(found)

    order, found, parts = [], [], 1
    for batch in sorted_batches([len(utterance.values) for utterance in frames], batch_size):
        of_batch, parts = retry_on_oom(of, batch, parts)
        order.append(batch)
        found.append(of_batch)
    result = np.zeros((len(frames), len(EMOTIONS)))
    if found:
        result[np.concatenate(order)] = torch.cat(found).cpu().numpy()
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
