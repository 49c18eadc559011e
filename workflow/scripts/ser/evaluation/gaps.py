"""Gap between training in another language and training within the target's, on the same test speakers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ser.core.paths import CLEAN
from ser.evaluation.bootstrap import Arm, Bootstrap, Estimate, Term, interval

WITHIN_LEVEL, BEST, MEAN, ALL_OTHERS = "within", "best single source", "mean of single sources", "all other languages"
GAP_TO_BEST, GAP_TO_MEAN, CLOSED = "gap to the best source", "gap to the mean of sources", "share of the gap closed"
COLUMNS = ["target", "model", "quantity", "source", "shots", "value", "low", "high", "seeds"]


def gaps(
    counts: pd.DataFrame,
    models: Sequence[str],
    single_sources: Mapping[str, Sequence[str]],
    all_others: Mapping[str, str],
    few_shot: Mapping | None,
) -> pd.DataFrame:
    """Return every model's levels and gaps for every target.

    All values are of test speakers, in UAR points, and the share closed in % of the gap. The best source is the one
    with the highest mean over seeds, chosen on the same test speakers, so its UAR is optimistic and its gap too small.
    The share that few-shot examples close is (UAR - UAR without them) / (UAR within - UAR without them), for the
    source of Figure 2. It has no value unless the interval of that gap is above 0.

    Args:
        counts: rows of `confusions.csv`. What has no runs is left out.
        single_sources: target -> corpora that models were trained on for it.
        all_others: target -> set of all corpora in other languages.
        few_shot: `source`, numbers of `shots`, and `targets` in another language, of Figure 2.

    Returns the columns `COLUMNS`: source and shots are empty where they do not apply.
    """
    scores, rows = Bootstrap(counts, "test"), []
    available = set(counts[["model", "source", "target", "shots", "condition"]].itertuples(index=False, name=None))
    for target, sources in single_sources.items():
        for model in models:
            cell = _Cell(scores, available, model, target)
            added = few_shot if few_shot and target in few_shot["targets"] else None
            found = cell.rows(sources, all_others.get(target), added)
            rows += [(target, model, *row, len(scores.seeds)) for row in found]
    return pd.DataFrame(rows, columns=COLUMNS)


class _Cell:
    """Levels of one model on one target."""

    def __init__(self, scores: Bootstrap, available: set[tuple], model: str, target: str):
        self._scores, self._available, self._model, self._target = scores, available, model, target

    def rows(self, sources: Sequence[str], all_others: str | None, few_shot: Mapping | None) -> list[tuple]:
        """Return quantity, source, shots, value, low and high of every quantity that has runs."""
        target = self._target
        within = [(1, target)] if self._has(target) else []
        others = [(1, all_others)] if all_others and self._has(all_others) else []
        if not (within or others):
            return []
        singles = [source for source in sources if self._has(source)]
        mean = [(1 / len(singles), source) for source in singles]
        best = max(singles, key=lambda source: self._level((1, source)).effect, default="")
        sums = [  # quantity, source, shots, weighted sources (none: the quantity is left out)
            (WITHIN_LEVEL, target, "", within),
            (BEST, best, 0, [(1, best)] if singles else []),
            (MEAN, "", 0, mean),
            (ALL_OTHERS, all_others, 0, others),
        ]
        if singles and within:
            sums.append((GAP_TO_BEST, best, 0, [*within, (-1, best)]))
            sums.append((GAP_TO_MEAN, "", 0, [*within, *((-share, source) for share, source in mean)]))
        rows = []
        for *quantity, weighted in sums:
            if weighted:
                level = self._level(*weighted)
                rows.append((*quantity, level.effect, *interval(level)))
        if few_shot and within:
            rows += self._shares_closed(few_shot["source"], few_shot["shots"])
        return rows

    def _has(self, source: str, shots: int = 0) -> bool:
        return (self._model, source, self._target, shots, CLEAN) in self._available

    def _level(self, *terms: tuple[float, str], shots: int = 0) -> Estimate:
        """Return a weighted sum of the UARs of sources."""
        arm = Arm(self._model, shots)
        return self._scores.estimate(Term(weight, arm, source, self._target) for weight, source in terms)

    def _shares_closed(self, source: str, all_shots: Sequence[int]) -> list[tuple]:
        if not self._has(source):
            return []
        gap, rows = self._level((1, self._target), (-1, source)), []
        for shots in sorted(number for number in all_shots if number and self._has(source, number)):
            few, zero = Arm(self._model, shots), Arm(self._model)
            terms = [Term(1, few, source, self._target), Term(-1, zero, source, self._target)]
            share = ratio(self._scores.estimate(terms), gap)
            rows.append((CLOSED, source, shots, *share))
        return rows


def ratio(gained: Estimate, gap: Estimate) -> tuple[float, float, float]:
    """Return 100 * gained / gap with its interval, NaN unless the interval of the gap is above 0.

    The interval is that of the quotients of paired draws, with the fewer degrees of freedom of the two.
    """
    low, _ = interval(gap)
    if not low > 0:
        return np.nan, np.nan, np.nan
    quotient = Estimate(
        100 * gained.effect / gap.effect,
        gained.by_seed,  # not used by the interval
        100 * gained.draws / gap.draws,
        min(gained.freedom, gap.freedom),
    )
    return quotient.effect, *interval(quotient)
