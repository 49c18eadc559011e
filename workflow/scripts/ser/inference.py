"""Class probabilities of utterances, batched by length, the same in any batch."""

from collections.abc import Sequence

import numpy as np
import torch

from ser.batches import Frames, pad, sorted_batches
from ser.vocabulary import EMOTIONS


@torch.inference_mode()
def probabilities(model, frames: Sequence[Frames], batch_size: int, device: torch.device) -> np.ndarray:
    """Class probabilities in the frames' order, in float32 whatever training used: batches must not matter.

    Returns float64 of shape (utterances, 4), columns as `EMOTIONS`.
    """
    model.eval()
    result = np.zeros((len(frames), len(EMOTIONS)))
    for batch in sorted_batches([len(utterance.values) for utterance in frames], batch_size):
        padded, lengths = pad([frames[i] for i in batch], device)
        result[batch] = torch.softmax(model(padded, lengths).double(), dim=-1).cpu().numpy()
    return result
