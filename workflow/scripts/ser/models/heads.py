"""Classification heads on pooled vectors, and the choice among an encoder's layers before them."""

import torch
from torch import nn

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError

HIDDEN, DROPOUT = 256, 0.1


def classifier(width: int) -> nn.Sequential:
    """Return layers that map pooled vectors (batch, width) to logits (batch, 4)."""
    return nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, len(EMOTIONS)))


class LayerChoice(nn.Module):
    """Map the pooled hidden states of all layers to one vector.

    Hidden states are averaged over time first. That order changes nothing, since both averages are linear.

    Args:
        layers: `last`; `mean` of all; `weighted`, by the softmax of trained scores as in SUPERB (Yang et al., 2021),
            which start equal; or a number.
        count: number of the encoder's layers. There is one more hidden state: the input of the first layer.

    Raises `UserError` if the encoder has no layer of this number.
    """

    def __init__(self, layers: str | int, count: int):
        super().__init__()
        if isinstance(layers, int) and layers > count:
            raise UserError(
                f"pooling.layers: {layers} is not a layer of this encoder, which has {count}: use at most {count}"
            )
        self._layers = layers
        if layers == "weighted":
            self.scores = nn.Parameter(torch.zeros(count + 1))

    @property
    def is_trained(self) -> bool:
        """Whether training changes it."""
        return self._layers == "weighted"

    @property
    def uses_all(self) -> bool:
        """Whether the result depends on every layer."""
        return self._layers in ("mean", "weighted")

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map (batch, layers + 1, width) to (batch, width)."""
        match self._layers:
            case "last":
                return states[:, -1]
            case "mean":
                return states.mean(dim=1)
            case "weighted":
                return torch.einsum("l,blw->bw", torch.softmax(self.scores, dim=0), states)
            case number:
                return states[:, number]
