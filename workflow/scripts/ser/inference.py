"""Class probabilities of utterances, batched by length, the same in any batch."""

from collections.abc import Sequence

import numpy as np
import torch

from ser.batches import pad, sorted_batches
from ser.vocabulary import EMOTIONS


@torch.inference_mode()
def probabilities(
    model, frames: Sequence[np.ndarray], batch_size: int, device: torch.device, precision: str
) -> np.ndarray:
    """Class probabilities in the frames' order.

    Args:
        frames: (frames, width) per utterance.

    Returns float64 of shape (utterances, 4), columns as `EMOTIONS`.
    """
    model.eval()
    result = np.zeros((len(frames), len(EMOTIONS)))
    for batch in sorted_batches([len(utterance) for utterance in frames], batch_size):
        padded, lengths = pad([frames[i] for i in batch], device)
        with precision_context(device, precision):
            logits = model(padded, lengths)
        result[batch] = torch.softmax(logits.double(), dim=-1).cpu().numpy()
    return result


def uses_bfloat16(device: torch.device, precision: str) -> bool:
    """Whether the arithmetic is bfloat16 (under autocast): `auto` means on CUDA."""
    return precision == "bfloat16" or (precision == "auto" and device.type == "cuda")


def precision_context(device: torch.device, precision: str):
    """Autocast to bfloat16 where asked."""
    return torch.autocast(device.type, torch.bfloat16, enabled=uses_bfloat16(device, precision))
