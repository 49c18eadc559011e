"""Classification head on an encoder."""

from torch import nn

from ser.core.constants import EMOTIONS

HIDDEN, DROPOUT = 256, 0.1


def classifier(width: int) -> nn.Sequential:
    """Return layers that map pooled vectors (batch, width) to logits (batch, 4)."""
    return nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, len(EMOTIONS)))
