"""Contrasts: weighted sums of UARs, for example of one model minus another, as a mean over pairs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ser.core.paths import CLEAN


class Cell(NamedTuple):
    """Model, pair, shots and test condition: what a UAR is of."""

    model: str
    source: str
    target: str
    shots: int = 0
    condition: str = CLEAN


@dataclass(frozen=True)
class Contrast:
    """Weighted sum of UARs.

    Attributes:
        coefficients: cell -> coefficient of its UAR.
    """

    coefficients: Mapping[Cell, float]

    def __add__(self, other: "Contrast") -> "Contrast":
        """Return the sum of two contrasts, without cells that cancel out."""
        cells = dict.fromkeys([*self.coefficients, *other.coefficients])
        sums = {cell: self.coefficients.get(cell, 0) + other.coefficients.get(cell, 0) for cell in cells}
        return Contrast({cell: coefficient for cell, coefficient in sums.items() if coefficient})

    def __sub__(self, other: "Contrast") -> "Contrast":
        """Return the difference of two contrasts."""
        return self + -1 * other

    def __rmul__(self, factor: float) -> "Contrast":
        """Return a multiple of a contrast."""
        return Contrast({cell: factor * coefficient for cell, coefficient in self.coefficients.items()})


def uar(model: str, source: str, target: str, shots: int = 0, condition: str = CLEAN) -> Contrast:
    """Return the UAR of one cell."""
    return Contrast({Cell(model, source, target, shots, condition): 1.0})


def mean(contrasts: Iterable[Contrast]) -> Contrast:
    """Return the mean of contrasts."""
    contrasts = list(contrasts)
    return sum((1 / len(contrasts) * contrast for contrast in contrasts), start=Contrast({}))
