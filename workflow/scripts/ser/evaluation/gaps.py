"""Gap between training in another language and training within the target's, on the same test speakers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ser.evaluation.bootstrap import Bootstrap, Estimate, interval
from ser.evaluation.contrasts import Cell, Contrast, mean, uar

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
    for target, sources in single_sources.items():
        added = few_shot if few_shot and target in few_shot["targets"] else None
        for model in models:
            found = _rows(scores, model, target, sources, all_others.get(target), added)
            rows += [(target, model, *row, len(scores.seeds)) for row in found]
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(
    scores: Bootstrap,
    model: str,
    target: str,
    sources: Sequence[str],
    all_others: str | None,
    few_shot: Mapping | None,
) -> list[tuple]:
    """Return quantity, source, shots, value, low and high of every quantity of a model and target that has runs."""

    def uar_from(source: str | None, shots: int = 0) -> Contrast | None:
        cell = Cell(model, source, target, shots)
        return uar(*cell) if cell in scores else None

    within, others = uar_from(target), uar_from(all_others)
    if not (within or others):
        return []
    singles = {source: single for source in sources if (single := uar_from(source))}
    contrasts = []  # quantity, source, shots, contrast
    if within:
        contrasts.append((WITHIN_LEVEL, target, "", within))
    if singles:
        best = max(singles, key=lambda source: scores.estimate(singles[source]).effect)
        mean_single = mean(singles.values())
        contrasts += [(BEST, best, 0, singles[best]), (MEAN, "", 0, mean_single)]
    if others:
        contrasts.append((ALL_OTHERS, all_others, 0, others))
    if singles and within:
        contrasts.append((GAP_TO_BEST, best, 0, within - singles[best]))
        contrasts.append((GAP_TO_MEAN, "", 0, within - mean_single))
    rows = []
    for *quantity, contrast in contrasts:
        estimate = scores.estimate(contrast)
        rows.append((*quantity, estimate.effect, *interval(estimate)))
    if within and few_shot and (zero_shot := uar_from(few_shot["source"])):
        gap = scores.estimate(within - zero_shot)
        for shots in sorted(filter(None, few_shot["shots"])):
            if examples := uar_from(few_shot["source"], shots):
                share = ratio(scores.estimate(examples - zero_shot), gap)
                rows.append((CLOSED, few_shot["source"], shots, *share))
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
        100 * gained.draws / gap.draws,
        min(gained.freedom, gap.freedom),
        gap.seeds,
    )
    return quotient.effect, *interval(quotient)
