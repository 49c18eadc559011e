"""Mean differences between models with their uncertainty over repetitions and test speakers.

The corpora stay as they are: what is drawn anew is the repetitions of a source, which train the models, and
the speakers of a target, who test them. Weights are drawn rather than repetitions and speakers (a Bayesian
bootstrap: Rubin, The Annals of Statistics 9, 1981), so that no draw is without an emotion that few speakers
have, unless there are only two of them. Their spread is set so that the variance of a mean of n is that of n
independent values, not (n - 1) / n of it, which would matter with two repetitions or six speakers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ser.core.paths import CLEAN
from ser.core.seeding import named_generator
from ser.evaluation.confusions import correct_and_total

DRAWS = 10_000


@dataclass(frozen=True)
class Arm:
    """One way to train and test, on any pair."""

    model: str
    shots: int = 0
    condition: str = CLEAN


def draw_weights(count: int, draws: int, generator: np.random.Generator) -> np.ndarray:
    """Weights that sum to 1, of shape (draws, count).

    Symmetric Dirichlet with concentration (n - 2) / n, for which the variance of a weighted mean of n values is
    their sample variance over n. For two values that is one of them at a time; one value has all the weight.
    """
    if count < 3:
        return np.eye(count)[generator.integers(count, size=draws)]
    return generator.dirichlet(np.full(count, (count - 2) / count), draws)


class Scores:
    """UARs of every arm, pair and repetition, as they are and as they come out in every draw.

    Args:
        counts: rows of `confusions.csv`.
        test_set: `all` utterances of a target, or those of each repetition's `test` speakers.
        draws: how often to draw.
    """

    def __init__(self, counts: pd.DataFrame, test_set: str, draws: int = DRAWS):
        counts = counts if test_set == "all" else counts[counts["role"] == "test"]
        self._counts = dict(list(counts.groupby(["model", "source", "target", "shots", "condition"])))
        self._speakers = {target: sorted(rows["speaker"].unique()) for target, rows in counts.groupby("target")}
        self._seeds = sorted(int(seed) for seed in counts["seed"].unique())
        self._draws = draws
        self._known: dict = {}
        self._weights: dict[tuple[str, str], np.ndarray] = {}

    def seeds(self, arms: Sequence[Arm], source: str, target: str) -> list[int]:
        """Repetitions in which all arms have this pair."""
        have = [self._rows(arm, source, target) for arm in arms]
        if any(rows is None for rows in have):
            return []
        return sorted(set.intersection(*({int(seed) for seed in rows["seed"]} for rows in have)))

    def uar(self, arm: Arm, source: str, target: str) -> tuple[np.ndarray, np.ndarray]:
        """UAR in % as it is, of shape (seeds,), and in every draw of speakers, of shape (draws, seeds).

        The seeds are all that occur anywhere; where the arm lacks one, the UAR is NaN.
        """
        key = (arm, source, target)
        if key not in self._known:
            correct, total = correct_and_total(self._rows(arm, source, target), self._seeds, self._speakers[target])
            even = np.ones((1, len(self._speakers[target])))
            self._known[key] = (
                mean_recall(even, correct, total)[0],
                mean_recall(self.speakers(target), correct, total),
            )
        return self._known[key]

    def repetitions(self, source: str) -> np.ndarray:
        """Weights of the repetitions of a source, of shape (draws, seeds): one training serves all its targets."""
        return self._drawn("repetitions", source, len(self._seeds))

    def speakers(self, target: str) -> np.ndarray:
        """Weights of a target's speakers, of shape (draws, speakers): the same for all models."""
        return self._drawn("speakers", target, len(self._speakers[target]))

    def _drawn(self, what: str, corpus: str, count: int) -> np.ndarray:
        if (what, corpus) not in self._weights:
            self._weights[what, corpus] = draw_weights(count, self._draws, named_generator(what, corpus))
        return self._weights[what, corpus]

    def _rows(self, arm: Arm, source: str, target: str) -> pd.DataFrame | None:
        return self._counts.get((arm.model, source, target, arm.shots, arm.condition))


def mean_recall(weights: np.ndarray, correct: np.ndarray, total: np.ndarray) -> np.ndarray:
    """UAR in % under weights of the speakers.

    Args:
        weights: shape (draws, speakers).
        correct, total: shape (seeds, speakers, emotions).

    Returns shape (draws, seeds), the mean recall over the emotions that are there; NaN where none is.
    """
    right, every = (np.einsum("ds,kse->dke", weights, counts) for counts in (correct, total))
    with np.errstate(invalid="ignore"):
        recalls = right / every
    there = np.isfinite(recalls)
    with np.errstate(invalid="ignore"):
        return 100 * np.where(there, recalls, 0).sum(axis=2) / there.sum(axis=2)


def difference(
    scores: Scores, terms: Sequence[tuple[int, Arm]], source: str, target: str
) -> tuple[np.ndarray, np.ndarray]:
    """A sum of arms with signs, on one pair: in every repetition that has them all, and its mean in every draw.

    Returns arrays of shape (repetitions,) and (draws,).
    """
    pairs = [(sign, *scores.uar(arm, source, target)) for sign, arm in terms]
    as_is = sum(sign * uar for sign, uar, _ in pairs)
    drawn = sum(sign * uar for sign, _, uar in pairs)
    weights = scores.repetitions(source) * np.isfinite(drawn)
    mean = (weights * np.nan_to_num(drawn)).sum(axis=1) / weights.sum(axis=1)
    return as_is[np.isfinite(as_is)], mean


def contrast(cells: Mapping[tuple[str, str], np.ndarray], chosen: frozenset | None = None) -> np.ndarray:
    """Mean over cells; or, of the chosen cells, the mean less that of the others."""
    if chosen is None:
        return np.mean(list(cells.values()), axis=0)
    inside = [value for cell, value in cells.items() if cell in chosen]
    outside = [value for cell, value in cells.items() if cell not in chosen]
    return np.mean(inside, axis=0) - np.mean(outside, axis=0)
