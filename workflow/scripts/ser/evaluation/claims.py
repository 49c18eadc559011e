"""Verdicts on the paper's claims (C0 to C7, C9) and on ours (C8).

Verdicts rest on the primary contrasts of all claims together (`claim_comparisons`); other comparisons are descriptive.
`EXPLANATION` states the rules, which are the same for all results.
"""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd

from ser.core.paths import RunId
from ser.evaluation.bootstrap import CONFIDENCE, Bootstrap, Estimate, corrected_p_values, interval
from ser.evaluation.claim_comparisons import LABELS, STATEMENTS, Comparison, Pair, comparisons

DESCRIPTIVE = {  # claims without a verdict -> why
    "C2": "no two models can be shown to be comparable within a point or two with these corpora",
    "C8": "languages seen or not seen in pre-training are one to three corpora",
}
LEAST_SEEDS = 5  # for a verdict
LEAST_CONVERGED = 0.9  # share of a model's runs, for a verdict on it
EXPLANATION = (
    "The effect of a primary contrast is the mean over the claim's models, over pairs or targets, and over numbers of"
    " examples above 0, of a paired difference in UAR points. Intervals are at 95 %, for new seeds and new speakers of"
    " these corpora. Supported: the effect is above 0; contradicted: it is below 0; both with a p value of at most"
    f" {1 - CONFIDENCE:.2f}, corrected by Holm's method over all primary contrasts; otherwise inconclusive. A claim"
    " with two primary contrasts is supported if both are, and contradicted if one is. There is no verdict with fewer"
    f" than {LEAST_SEEDS} seeds, nor if one of the models compared converged in less than {100 * LEAST_CONVERGED:.0f} %"
    " of its training runs. Other comparisons are descriptive: they have no verdict."
)
# experiments that are not scored on all utterances of the target
TEST_SETS = dict.fromkeys(("figure2", "figure2_converged"), "test")
COLUMNS = (
    "claim",
    "statement",
    "claim_verdict",
    "reason",
    "comparison",
    "primary",
    "effect",
    "low",
    "high",
    "p",
    "verdict",
    "cells",
    "agreeing",
    "seeds",
    "smallest_margin",
    "rests_on",
    "note",
)
CELL_COLUMNS = ("claim", "comparison", "source", "target", "effect", "low", "high", "seeds")


def test(
    settings: Mapping, counts: Mapping[str, pd.DataFrame], scores: Mapping[str, pd.DataFrame], **options
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Test all claims: return a table of comparisons and verdicts, and one of cells.

    Args:
        settings: as for `comparisons`.
        counts: rows of `confusions.csv` by configured experiment.
        scores: rows of `scores.csv` by configured experiment, for `converged`.
        options: `draws` of the bootstrap.

    Returns frames with `COLUMNS` and `CELL_COLUMNS`. Effects, intervals and margins are in UAR points; `p` is corrected
    over all primary contrasts that get a verdict. A comparison that could not be tested has none of them; its `note`
    gives the reason, also of primary contrasts without a verdict.
    """
    drawn = {name: Bootstrap(frame, TEST_SETS.get(name, "all"), **options) for name, frame in counts.items()}
    converged = {name: _converged(frame) for name, frame in scores.items()}
    every = comparisons(settings)
    found = {one: _estimates(one, drawn[one.experiment]) for one in every if not one.obstacle}
    titles = settings["titles"]
    refused = {one: _refusal(one, found[one][0], converged[one.experiment], titles) for one in found if one.primary}
    judged = [one for one, reason in refused.items() if not reason]
    p_values = dict(zip(judged, corrected_p_values([found[one][0] for one in judged]), strict=True))
    rows = []
    for one in every:
        row = {"claim": one.claim, "statement": STATEMENTS[one.claim], "comparison": one.title, "primary": one.primary}
        row |= {"verdict": "", "rests_on": LABELS[one.experiment], "note": one.obstacle or refused.get(one, "")}
        if one in found:
            row |= _measured(one, *found[one])
        if one in refused:
            row["p"] = p_values.get(one, np.nan)
            row["verdict"] = "no verdict" if refused[one] else verdict(row["effect"], row["p"])
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    verdicts = {claim: claim_verdict(claim, own) for claim, own in table.groupby("claim")}
    table["claim_verdict"], table["reason"] = zip(*table["claim"].map(verdicts), strict=True)
    cells = [_cell(one, pair, estimate) for one in found for pair, estimate in found[one][1].items()]
    return table, pd.DataFrame(cells, columns=list(CELL_COLUMNS))


def _estimates(comparison: Comparison, scores: Bootstrap) -> tuple[Estimate, dict[Pair, Estimate]]:
    """Return the estimate of a comparison, and that of each of its pairs."""
    by_pair = {pair: scores.estimate(contrast) for pair, contrast in comparison.by_pair.items()}
    return scores.estimate(comparison.contrast), by_pair


def _measured(comparison: Comparison, estimate: Estimate, by_pair: Mapping) -> dict:
    """Return effect, interval, and number of pairs or targets that agree with the claim (C2: smallest margin)."""
    effects = {pair: one.effect for pair, one in by_pair.items()}
    beside = [effect for pair, effect in effects.items() if pair in comparison.beside]
    base = np.mean(beside) if beside else 0.0
    chosen = [effect - base for pair, effect in effects.items() if pair not in comparison.beside]
    low, high = interval(estimate)
    equal = comparison.claim == "C2"  # claims no difference
    return {
        "effect": estimate.effect,
        "low": low,
        "high": high,
        "cells": len(chosen),
        "agreeing": np.nan if equal else sum(effect > 0 for effect in chosen),
        "seeds": estimate.seeds,
        "smallest_margin": max(abs(low), abs(high)) if equal else np.nan,
    }


def _converged(scores: pd.DataFrame) -> pd.Series:
    """Return the share of each model's runs that were trained to convergence."""
    columns = ["model", "source", "target", "shots", "seed"]
    runs = pd.Series([RunId.of(*row) for row in scores[columns].itertuples(index=False)], scores.index)
    return scores[~runs.duplicated()].groupby("model")["converged"].mean()


def _refusal(comparison: Comparison, estimate: Estimate, converged: pd.Series, titles: Mapping) -> str:
    """Return why a primary contrast gets no verdict, empty if it gets one."""
    seeds = estimate.seeds
    if seeds < LEAST_SEEDS:
        return f"{seeds} seed{'s' if seeds > 1 else ''}"
    low = [model for model in comparison.models if converged[model] < LEAST_CONVERGED]
    shares = ", ".join(f"{titles.get(model, model)} {100 * converged[model]:.0f} %" for model in low)
    return f"too few runs converged: {shares}" if low else ""


def verdict(effect: float, p: float) -> str:
    """Return the verdict on a difference that is claimed to be positive."""
    if not p <= 1 - CONFIDENCE:  # NaN, too
        return "inconclusive"
    return "supported" if effect > 0 else "contradicted"


def joint_verdict(verdicts: Collection[str]) -> str:
    """Return the verdict on a claim from those on its primary contrasts."""
    if "contradicted" in verdicts:
        return "contradicted"
    return "supported" if set(verdicts) == {"supported"} else "inconclusive"


def claim_verdict(claim: str, rows: pd.DataFrame) -> tuple[str, str]:
    """Return the verdict on a claim from its comparisons, and the reason if there is none."""
    primary = rows[rows["primary"]]
    if primary["effect"].isna().any() or rows["effect"].isna().all():
        return "not tested", _listed((primary if len(primary) else rows)["note"])
    if claim in DESCRIPTIVE:
        return "no verdict", DESCRIPTIVE[claim]
    if primary.empty:
        return "not tested", "the models of this claim are not configured"
    if "no verdict" in set(primary["verdict"]):
        return "no verdict", _listed(primary["note"])
    return joint_verdict(set(primary["verdict"])), ""


def _listed(notes: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if note))


def _cell(comparison: Comparison, pair: Pair, estimate: Estimate) -> dict:
    low, high = interval(estimate)
    return {
        "claim": comparison.claim,
        "comparison": comparison.title,
        "source": pair[0],
        "target": pair[1],
        "effect": estimate.effect,
        "low": low,
        "high": high,
        "seeds": estimate.seeds,
    }
