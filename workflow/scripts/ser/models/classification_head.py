"""Classification head of every encoder."""

from torch import nn

from ser.core.constants import EMOTIONS

HIDDEN, DROPOUT = 256, 0.1


def classifier(width: int) -> nn.Sequential:
    """Return hidden layer and output, from pooled vectors of shape (batch, width) to logits of shape (batch, 4)."""
    return nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, len(EMOTIONS)))
