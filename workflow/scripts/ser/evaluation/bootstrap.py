"""Weighted bootstrap of model differences over seeds and the target's speakers.

The corpora are fixed. Seeds of a source (its training runs) and speakers of a target are resampled. The bootstrap draws
Dirichlet weights, as the Bayesian bootstrap does (Rubin, The Annals of Statistics 9, 1981), so that every draw includes
emotions that few speakers have, unless there are only two speakers. Their concentration is not Rubin's 1, but such
that the variance of a mean of n is that of n independent values, not (n - 1) / n of it. The difference matters for two
seeds or six speakers.
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
    """Model, shots and test condition to compare, on any source-target pair."""

    model: str
    shots: int = 0
    condition: str = CLEAN


def draw_weights(count: int, draws: int, generator: np.random.Generator) -> np.ndarray:
    """Draw weights that sum to 1, of shape (draws, count).

    They follow a symmetric Dirichlet with concentration (n - 2) / n, for which the variance of a weighted mean of n
    values is their sample variance over n. Of two values, each draw selects one; a single value has all the weight.
    """
    if count < 3:
        return np.eye(count)[generator.integers(count, size=draws)]
    return generator.dirichlet(np.full(count, (count - 2) / count), draws)


class Scores:
    """UARs of every arm, pair and seed, as measured and in every bootstrap draw.

    Args:
        counts: rows of `confusions.csv`.
        test_set: `all` utterances of a target, or those of each seed's `test` speakers.
        draws: number of bootstrap draws.
    """

    def __init__(self, counts: pd.DataFrame, test_set: str, draws: int = DRAWS):
        counts = counts if test_set == "all" else counts[counts["role"] == "test"]
        self._counts = dict(list(counts.groupby(["model", "source", "target", "shots", "condition"])))
        self._speakers = {target: sorted(rows["speaker"].unique()) for target, rows in counts.groupby("target")}
        self._seeds = sorted(int(seed) for seed in counts["seed"].unique())
        self._draws = draws
        self._uars: dict = {}
        self._weights: dict[tuple[str, str], np.ndarray] = {}

    def seeds(self, arms: Sequence[Arm], source: str, target: str) -> list[int]:
        """Return the seeds for which all arms have results on this pair."""
        results = [self._rows(arm, source, target) for arm in arms]
        if any(rows is None for rows in results):
            return []
        return sorted(set.intersection(*({int(seed) for seed in rows["seed"]} for rows in results)))

    def uar(self, arm: Arm, source: str, target: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the UAR in % by seed, and by draw of speakers and seed.

        Their shapes are (seeds,) and (draws, seeds). The seeds are those of all arms together. The UAR is NaN for seeds
        without a result.
        """
        key = (arm, source, target)
        if key not in self._uars:
            correct, total = correct_and_total(self._rows(arm, source, target), self._seeds, self._speakers[target])
            equal = np.ones((1, len(self._speakers[target])))
            self._uars[key] = (
                mean_recall(equal, correct, total)[0],
                mean_recall(self.speaker_weights(target), correct, total),
            )
        return self._uars[key]

    def seed_weights(self, source: str) -> np.ndarray:
        """Return weights of seeds (draws, seeds), the same for all targets."""
        return self._cached_weights("repetitions", source, len(self._seeds))  # the name seeds the generator

    def speaker_weights(self, target: str) -> np.ndarray:
        """Return weights of speakers (draws, speakers), the same for all models."""
        return self._cached_weights("speakers", target, len(self._speakers[target]))

    def _cached_weights(self, name: str, corpus: str, count: int) -> np.ndarray:
        if (name, corpus) not in self._weights:
            self._weights[name, corpus] = draw_weights(count, self._draws, named_generator(name, corpus))
        return self._weights[name, corpus]

    def _rows(self, arm: Arm, source: str, target: str) -> pd.DataFrame | None:
        return self._counts.get((arm.model, source, target, arm.shots, arm.condition))


def mean_recall(weights: np.ndarray, correct: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return the UAR in % with weighted speakers.

    Args:
        weights: shape (draws, speakers).
        correct, total: shape (seeds, speakers, emotions).

    Returns shape (draws, seeds): the mean recall over the emotions that occur, NaN if none does.
    """
    weighted_correct, weighted_total = (np.einsum("ds,kse->dke", weights, counts) for counts in (correct, total))
    with np.errstate(invalid="ignore"):
        recalls = weighted_correct / weighted_total
    occurs = np.isfinite(recalls)
    with np.errstate(invalid="ignore"):
        return 100 * np.where(occurs, recalls, 0).sum(axis=2) / occurs.sum(axis=2)


def difference(
    scores: Scores, terms: Sequence[tuple[int, Arm]], source: str, target: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return a signed sum of UARs on one pair, by seed, and its mean by draw.

    Returns arrays of shape (seeds,) and (draws,). Seeds that lack an arm are left out.
    """
    pairs = [(sign, *scores.uar(arm, source, target)) for sign, arm in terms]
    measured = sum(sign * uar for sign, uar, _ in pairs)
    drawn = sum(sign * uar for sign, _, uar in pairs)
    weights = scores.seed_weights(source) * np.isfinite(drawn)
    mean = (weights * np.nan_to_num(drawn)).sum(axis=1) / weights.sum(axis=1)
    return measured[np.isfinite(measured)], mean


def contrast(cells: Mapping[tuple[str, str], np.ndarray], chosen: frozenset | None = None) -> np.ndarray:
    """Return the mean over cells, or of the chosen cells minus that of the others."""
    if chosen is None:
        return np.mean(list(cells.values()), axis=0)
    inside = [value for cell, value in cells.items() if cell in chosen]
    outside = [value for cell, value in cells.items() if cell not in chosen]
    return np.mean(inside, axis=0) - np.mean(outside, axis=0)
