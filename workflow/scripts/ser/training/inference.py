"""Class probabilities of utterances."""

from collections.abc import Sequence

import numpy as np
import torch

from ser.models.batching import Frames
from ser.models.oom import in_batches
from ser.training.autocast import autocast_context


@torch.inference_mode()
def probabilities(
    model, frames: Sequence[Frames], batch_size: int, device: torch.device, precision: str = "float32"
) -> np.ndarray:
    """Predict class probabilities, in the order of the frames.

    In float32 they do not depend on the batches. Returns float64 of shape (utterances, 4), columns as `EMOTIONS`.
    Raises `UserError` if memory does not suffice for one utterance.
    """

    def predict(padded, lengths):
        with autocast_context(device, precision):
            logits = model(padded, lengths)
        return torch.softmax(logits.double(), dim=-1)

    model.eval()
    return in_batches(predict, frames, batch_size, device).numpy()
