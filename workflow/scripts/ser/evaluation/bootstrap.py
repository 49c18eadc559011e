"""Weighted bootstrap of UARs over seeds and the target's speakers, and its intervals.

The corpora are fixed. Seeds of a source (its training runs) and speakers of a target are resampled by random weights,
as in the Bayesian bootstrap (Rubin, The Annals of Statistics 9, 1981). Speakers are drawn within emotions: an emotion
that few speakers have varies as the mean of that few. A speaker has the same random numbers in every experiment.

Seeds are drawn by source, since training runs on different sources share little. On test speakers, which a seed fixes
for all sources, seeds are drawn once, so that differences between sources are paired.

Intervals are expanded for few seeds and speakers by Student's t (Hesterberg, "What Teachers Should Know about the
Bootstrap", The American Statistician 69, 2015), with Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import special, stats

from ser.core.constants import EMOTIONS
from ser.core.seeding import named_generator
from ser.evaluation.confusions import correct_and_total
from ser.evaluation.contrasts import Cell, Contrast

DRAWS = 10_000
CONFIDENCE = 0.95  # level of all confidence intervals
NEGLIGIBLE = 1e-9  # instead of 0, so that a recall is defined even if only speakers who are not drawn have the emotion


@dataclass(frozen=True)
class Estimate:
    """Estimate of a contrast, mean over seeds.

    Attributes:
        effect: the contrast as measured, in UAR points.
        draws: the contrast in every bootstrap draw, shape (draws,).
        freedom: Satterthwaite's degrees of freedom of the variance of `draws`; NaN if it cannot be estimated.
        seeds: number of seeds.
    """

    effect: float
    draws: np.ndarray
    freedom: float
    seeds: int


def weights(numbers: np.ndarray) -> np.ndarray:
    """Return random weights of n units that sum to 1, of shape (draws, n).

    Args:
        numbers: uniform random numbers in (0, 1) of the same shape.

    They follow a symmetric Dirichlet with concentration (n - 2) / n, for which the variance of a weighted mean of n
    values is their sample variance over n. Of two units, each draw selects one; a single unit has all the weight.
    """
    count = numbers.shape[1]
    if count < 3:
        drawn = np.where(numbers == numbers.max(axis=1, keepdims=True), 1, NEGLIGIBLE)
    else:
        drawn = special.gammaincinv((count - 2) / count, numbers)
    return drawn / drawn.sum(axis=1, keepdims=True)


@lru_cache(maxsize=256)
def drawn_weights(kind: str, corpus: str, names: tuple, draws: int) -> np.ndarray:
    """Return weights (draws, names) of a corpus's speakers, or a source's seeds, whose random numbers never change."""
    numbers = [named_generator(kind, corpus, name).random(draws) for name in names]
    return weights(np.stack(numbers, axis=1))


class Bootstrap:
    """UARs of every cell and seed, as measured and in every bootstrap draw.

    Args:
        counts: rows of `confusions.csv`.
        test_set: `all` utterances of a target, or those of each seed's `test` speakers.
        draws: number of bootstrap draws.
    """

    def __init__(self, counts: pd.DataFrame, test_set: str, draws: int = DRAWS):
        counts = counts if test_set == "all" else counts[counts["role"] == "test"]
        self._counts = dict(list(counts.groupby(["model", "source", "target", "shots", "condition"])))
        voices = counts[["target", "speaker", "emotion"]].drop_duplicates().groupby("target")
        self._voices = dict(list(voices))
        self._speakers = {target: sorted(rows["speaker"].unique()) for target, rows in voices}
        self._speaker_freedom = {target: speaker_freedom(rows["emotion"].value_counts()) for target, rows in voices}
        self.seeds = sorted(int(seed) for seed in counts["seed"].unique())
        self._seeds_fix_speakers = test_set == "test"
        self._draws = draws
        self._uars: dict[Cell, tuple[np.ndarray, np.ndarray]] = {}
        self._speaker_weights: dict[str, np.ndarray] = {}

    def __contains__(self, cell: Cell) -> bool:
        """Return whether there are counts of a cell."""
        return cell in self._counts

    def uar(self, cell: Cell) -> tuple[np.ndarray, np.ndarray]:
        """Return the UAR in % by seed, and by draw of speakers and seed.

        Their shapes are (seeds,) and (draws, seeds).
        """
        if cell not in self._uars:
            correct, total = correct_and_total(self._counts[cell], self.seeds, self._speakers[cell.target])
            equal = np.ones((1, *total.shape[1:]))
            self._uars[cell] = (
                mean_recall(equal, correct, total)[0],
                mean_recall(self.speaker_weights(cell.target), correct, total),
            )
        return self._uars[cell]

    def estimate(self, contrast: Contrast) -> Estimate:
        """Return a contrast, its bootstrap draws and their degrees of freedom."""
        measured: dict[tuple[str, str], np.ndarray] = {}
        drawn: dict[tuple[str, str], np.ndarray] = {}
        for cell, coefficient in contrast.coefficients.items():
            pair, uar = (cell.source, cell.target), self.uar(cell)
            measured[pair] = measured.get(pair, 0) + coefficient * uar[0]
            drawn[pair] = drawn.get(pair, 0) + coefficient * uar[1]
        draws = sum((self.seed_weights(source) * uar).sum(axis=1) for (source, _), uar in drawn.items())
        effect = float(sum(measured.values()).mean())
        return Estimate(effect, draws, self._freedom(measured, drawn), len(self.seeds))

    def _freedom(self, measured: dict, drawn: dict) -> float:
        """Return (sum of variances)² / sum of (variance² / degrees of freedom), over draws of seeds and of speakers."""
        components, count = [], len(self.seeds)
        for drawn_seeds in dict.fromkeys(self._seeds_of(source) for source, _ in measured) if count > 1 else ():
            by_seed = sum(uar for (source, _), uar in measured.items() if self._seeds_of(source) == drawn_seeds)
            components.append((by_seed.var(ddof=1) / count, count - 1))
        for target in dict.fromkeys(target for _, target in drawn):
            by_draw = sum(uar.mean(axis=1) for pair, uar in drawn.items() if pair[1] == target)
            if freedom := self._speaker_freedom[target]:
                components.append((by_draw.var(), freedom))
        total = sum(variance for variance, _ in components)
        if total < NEGLIGIBLE:
            return np.inf if components else np.nan
        return total**2 / sum(variance**2 / freedom for variance, freedom in components)

    def seed_weights(self, source: str) -> np.ndarray:
        """Return weights of a source's seeds (draws, seeds), the same for all targets."""
        return drawn_weights("seeds", self._seeds_of(source), tuple(self.seeds), self._draws)

    def _seeds_of(self, source: str) -> str:
        """Return a name of the seeds of a source, which sources share on test speakers."""
        return "all sources" if self._seeds_fix_speakers else source

    def speaker_weights(self, target: str) -> np.ndarray:
        """Return weights of speakers in emotions (draws, speakers, emotions), the same for all models.

        They sum to 1 over the speakers who have the emotion.
        """
        if target not in self._speaker_weights:
            speakers = self._speakers[target]
            found = np.zeros((self._draws, len(speakers), len(EMOTIONS)))
            for emotion, rows in self._voices[target].groupby("emotion"):
                have = tuple(sorted(rows["speaker"]))
                at = [speakers.index(speaker) for speaker in have]
                found[:, at, EMOTIONS.index(emotion)] = drawn_weights("speakers", target, have, self._draws)
            self._speaker_weights[target] = found
        return self._speaker_weights[target]


def speaker_freedom(speakers: Sequence[int]) -> float:
    """Return degrees of freedom: the harmonic mean over emotions of their number of speakers minus 1.

    Emotions of a single speaker, whose recall has no variance, are left out; 0 if all are.
    """
    freedom = np.array([count - 1 for count in speakers if count > 1])
    return len(freedom) / (1 / freedom).sum() if len(freedom) else 0.0


def mean_recall(weights: np.ndarray, correct: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return the UAR in % with weighted speakers.

    Args:
        weights: shape (draws, speakers, emotions).
        correct, total: shape (seeds, speakers, emotions).

    Returns shape (draws, seeds): the mean recall over the emotions that occur.
    """
    weighted_correct, weighted_total = (
        np.stack([weights[:, :, e] @ counts[:, :, e].T for e in range(counts.shape[2])]) for counts in (correct, total)
    )
    occurs = (total.sum(axis=1) > 0).T[:, None]
    recalls = np.divide(weighted_correct, weighted_total, out=np.zeros_like(weighted_total), where=occurs)
    return 100 * recalls.sum(axis=0) / occurs.sum(axis=0)


def interval(estimate: Estimate) -> tuple[float, float]:
    """Return the expanded percentile interval of an estimate at `CONFIDENCE`.

    Its tails have the probability that the standard normal distribution has beyond the quantile of Student's t. NaN if
    the degrees of freedom are unknown.
    """
    if np.isnan(estimate.freedom):
        return np.nan, np.nan
    tail = stats.norm.cdf(stats.t.ppf((1 - CONFIDENCE) / 2, estimate.freedom))
    low, high = np.quantile(estimate.draws, [tail, 1 - tail])
    return float(low), float(high)


def corrected_p_values(estimates: Sequence[Estimate]) -> np.ndarray:
    """Return two-sided p values of effects of 0, corrected together by Holm's method.

    Student's t of the effect over the bootstrap standard error (Holm, Scandinavian Journal of Statistics 6, 1979).
    """
    ratios = [abs(estimate.effect) / max(estimate.draws.std(), NEGLIGIBLE) for estimate in estimates]
    p = 2 * stats.t.sf(ratios, [estimate.freedom for estimate in estimates])
    order = np.argsort(p)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return corrected
