"""Gap between training in another language and training within the target's, on the same test speakers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ser.core.paths import CLEAN
from ser.evaluation.bootstrap import Bootstrap, Estimate, interval
from ser.evaluation.contrasts import Contrast, mean, uar

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
        target, within = self._target, self._uar(self._target)
        others = self._uar(all_others) if all_others else None
        if not (within or others):
            return []
        found = {source: self._uar(source) for source in sources}
        singles = {source: single for source, single in found.items() if single}
        contrasts = []  # quantity, source, shots, contrast
        if within:
            contrasts.append((WITHIN_LEVEL, target, "", within))
        if singles:
            best = max(singles, key=lambda source: self._scores.estimate(singles[source]).effect)
            best_single, mean_single = singles[best], mean(singles.values())
            contrasts += [(BEST, best, 0, best_single), (MEAN, "", 0, mean_single)]
        if others:
            contrasts.append((ALL_OTHERS, all_others, 0, others))
        if singles and within:
            contrasts.append((GAP_TO_BEST, best, 0, within - best_single))
            contrasts.append((GAP_TO_MEAN, "", 0, within - mean_single))
        rows = []
        for *quantity, contrast in contrasts:
            estimate = self._scores.estimate(contrast)
            rows.append((*quantity, estimate.effect, *interval(estimate)))
        if few_shot and within:
            rows += self._shares_closed(within, few_shot["source"], few_shot["shots"])
        return rows

    def _uar(self, source: str, shots: int = 0) -> Contrast | None:
        """Return the UAR with a source, None if it has no runs."""
        cell = (self._model, source, self._target, shots)
        return uar(*cell) if (*cell, CLEAN) in self._available else None

    def _shares_closed(self, within: Contrast, source: str, all_shots: Sequence[int]) -> list[tuple]:
        zero_shot = self._uar(source)
        if not zero_shot:
            return []
        gap, rows = self._scores.estimate(within - zero_shot), []
        for shots in sorted(shots for shots in all_shots if shots):
            if few_shot := self._uar(source, shots):
                share = ratio(self._scores.estimate(few_shot - zero_shot), gap)
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
