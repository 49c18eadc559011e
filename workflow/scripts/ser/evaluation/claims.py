"""Tests of the paper's claims (C0 to C7) and of ours (C8).

The decision rules are fixed here and do not depend on results.

An effect is the mean over cells (pairs, or targets) of a paired difference in UAR points. Its 95 % confidence interval
(`evaluation.bootstrap`) generalises to new seeds and new speakers of these corpora, not to other corpora.

`EXPLANATION` states the rules.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ser.evaluation.bootstrap import Arm, Scores, contrast, difference
from ser.evaluation.intervals import CONFIDENCE, t_interval
from ser.models import pretraining_data

STATEMENTS = {
    "C0": "Foundation models, Wav2Vec2 included, beat CNN-LSTM across languages",
    "C1": "Multilingual foundation models beat CNN-LSTM across languages",
    "C2": "A randomly initialised Wav2Vec2 is comparable to CNN-LSTM",
    "C3": "Multilingual foundation models beat Wav2Vec2, pre-trained on English",
    "C4": "A few target examples raise the UAR, and foundation models stay above CNN-LSTM",
    "C5": "Multilingual foundation models stay above Wav2Vec2 at every number of examples",
    "C6": "Foundation models keep a higher UAR than CNN-LSTM in noise",
    "C7": "Multilingual foundation models keep a higher UAR than Wav2Vec2 in noise, and lose less",
    "C8": "Having seen the target language in pre-training helps",
}
COVERAGE = {
    "Table II": 95.5,
    "Figure 2": 95.5,
    "Figure 3": 91.5,
}  # % of 95 % intervals that contain the true effect, simulated (docs/reference/statistics.md)
EXPLANATION = (
    "An effect is the mean over cells (pairs, or targets) of a paired difference in UAR points. Its 95 % confidence"
    " interval is a bootstrap over seeds and the target's speakers, conditional on these corpora. In simulations with"
    " assumed spreads (400 of each design) and five seeds, it contained the true effect in "
    + ", ".join(f"{share} % of cases ({name})" for name, share in COVERAGE.items())
    + "; with two seeds, in 83.5 to 92.5 %. Other numbers of seeds were not simulated. A comparison is supported if"
    " its interval is above 0, and so is the difference in at least three quarters of its cells, and contradicted if"
    " its interval is below 0. If the claim is that two models are comparable, it is supported if the interval is"
    " within the margin, and contradicted if it is outside, on either side. Otherwise it is inconclusive, and always"
    " so with one seed. A claim is supported if all its comparisons are tested and supported, contradicted if any is"
    " contradicted, not tested if none was tested, and otherwise inconclusive."
)
SINGLE_SEED = "one seed: the interval covers speakers only, so the verdict is inconclusive"
ABSENT = " does not include "  # between an experiment and the models that it lacks
AGREEING = 0.75  # minimum share of cells whose difference has the claimed sign
RESTS_ON = {"table2": "Table II", "figure2": "Figure 2", "figure3": "Figure 3", "random_init": "random initialisation"}
TEST_SETS = {"figure2": "test"}  # experiments that are not scored on all utterances of the target
COLUMNS = (
    "claim",
    "statement",
    "comparison",
    "effect",
    "low",
    "high",
    "verdict",
    "cells",
    "agreeing",
    "seeds",
    "margin",
    "rests_on",
    "note",
    "claim_verdict",
)
CELL_COLUMNS = ("claim", "comparison", "source", "target", "effect", "low", "high", "seeds")


@dataclass(frozen=True)
class Comparison:
    """Difference that a claim predicts to be positive or, with a margin, negligible.

    Attributes:
        title: description of the comparison.
        experiment: experiment whose runs are compared.
        terms: signs and arms; their signed sum is the difference.
        chosen: pairs whose difference is claimed to be larger than that of `beside`; None means all pairs.
        beside: pairs that the chosen ones are compared with.
        margin: if set, the claim is that the absolute difference is below this many UAR points.
        obstacle: reason why it cannot be tested.
    """

    claim: str
    title: str
    experiment: str
    terms: tuple[tuple[int, Arm], ...]
    chosen: frozenset[tuple[str, str]] | None = None
    beside: frozenset[tuple[str, str]] = frozenset()
    margin: float | None = None
    obstacle: str | None = None


def against(claim: str, title: str, experiment: str, first: Arm, second: Arm, **more) -> Comparison:
    """Return the comparison of the first arm minus the second."""
    return Comparison(claim, title, experiment, ((1, first), (-1, second)), **more)


# --- Comparisons -------------------------------------------------------------------------------


def comparisons(settings: Mapping) -> list[Comparison]:
    """Return the comparisons of all claims, with an obstacle if not testable.

    Args:
        settings: `roles` (baseline, english, random, multilingual: models of the configuration, and margin),
            `experiments` by name, `titles` of models, `languages` of corpora, and entries of the `models`.
    """
    found = [*_across_languages(settings), *_few_shot(settings), *_in_noise(settings)]
    found = [_with_obstacle(comparison, settings) for comparison in [*found, *_seen_in_pretraining(settings)]]
    found += [_without_models(claim, settings) for claim in STATEMENTS.keys() - {one.claim for one in found}]
    return sorted(found, key=lambda comparison: comparison.claim)


def _across_languages(settings: Mapping) -> Iterator[Comparison]:
    roles, name = settings["roles"], _namer(settings)
    baseline, english = roles["baseline"], roles["english"]

    def pair(claim, first, second, experiment="table2", **more):
        title = f"{name(first)} against {name(second)}"
        return against(claim, title, experiment, Arm(first), Arm(second), **more)

    yield from (pair("C0", model, baseline) for model in [english, *roles["multilingual"]])
    yield from (pair("C1", model, baseline) for model in roles["multilingual"])
    yield pair("C2", roles["random"], baseline, "random_init", margin=roles["margin"])
    yield from (pair("C3", model, english) for model in roles["multilingual"])


def _few_shot(settings: Mapping) -> Iterator[Comparison]:
    roles, name = settings["roles"], _namer(settings)
    foundation = [roles["english"], *roles["multilingual"]]
    sizes = sorted((settings["experiments"]["figure2"] or {"shots": [0]})["shots"])
    least, most = sizes[0], sizes[-1]
    for model in [roles["baseline"], *foundation]:
        title = f"{name(model)} with {most} examples against {least}"
        yield against("C4", title, "figure2", Arm(model, most), Arm(model, least))
    for claim, models, other in (
        ("C4", foundation, roles["baseline"]),
        ("C5", roles["multilingual"], roles["english"]),
    ):
        for model in models:
            for shots in sizes:
                title = f"{name(model)} against {name(other)}, {shots} examples"
                yield against(claim, title, "figure2", Arm(model, shots), Arm(other, shots))


def _in_noise(settings: Mapping) -> Iterator[Comparison]:
    roles, name = settings["roles"], _namer(settings)
    baseline, english = roles["baseline"], roles["english"]
    noise = (settings["experiments"]["figure3"] or {"condition": "noisy"})["condition"]

    def noisy(model):
        return Arm(model, condition=noise)

    for model in [english, *roles["multilingual"]]:
        title = f"{name(model)} against {name(baseline)}, {noise}"
        yield against("C6", title, "figure3", noisy(model), noisy(baseline))
    for model in roles["multilingual"]:
        title = f"{name(model)} against {name(english)}, {noise}"
        yield against("C7", title, "figure3", noisy(model), noisy(english))
    for model in roles["multilingual"]:
        less_lost = ((1, noisy(model)), (-1, Arm(model)), (-1, noisy(english)), (1, Arm(english)))
        yield Comparison("C7", f"{name(model)} loses less than {name(english)}", "figure3", less_lost)


def _seen_in_pretraining(settings: Mapping) -> Iterator[Comparison]:
    """Yield comparisons of languages seen and not seen in pre-training.

    Two checkpoints are compared on targets whose language only the first saw, relative to targets that both or neither
    saw.
    """
    roles, name, cells = settings["roles"], _namer(settings), cells_of(settings["experiments"]["table2"])
    foundation = [roles["english"], *roles["multilingual"]]

    def seen(model, cell):
        return pretraining_data.seen(settings["models"].get(model, {}), settings["languages"][cell[1]])

    for first in foundation:
        for second in foundation:
            known = {cell: (seen(first, cell), seen(second, cell)) for cell in cells}
            chosen = frozenset(cell for cell, both in known.items() if both == ("yes", "no"))
            beside = frozenset(cell for cell, both in known.items() if both in (("yes", "yes"), ("no", "no")))
            if chosen and beside:
                languages = sorted({settings["languages"][target] for _, target in chosen})
                title = f"{name(first)} against {name(second)}: {', '.join(languages)} or other targets"
                yield against("C8", title, "table2", Arm(first), Arm(second), chosen=chosen, beside=beside)


def _without_models(claim: str, settings: Mapping) -> Comparison:
    """Return a placeholder for a claim without comparisons."""
    obstacle = "the models of this claim are not configured"
    if claim == "C8":
        obstacle = "no two checkpoints are known to differ in the target languages seen in pre-training"
    if claim == "C8" and settings["experiments"]["table2"] is None:
        obstacle = "Table II is not configured"
    return Comparison(claim, "none", "table2", (), obstacle=obstacle)


def _with_obstacle(comparison: Comparison, settings: Mapping) -> Comparison:
    experiment = settings["experiments"][comparison.experiment]
    label = RESTS_ON[comparison.experiment]
    if experiment is None:
        obstacle = f"{label} is not configured"
    elif absent := sorted({arm.model for _, arm in comparison.terms} - set(experiment["models"])):
        obstacle = f"{label}{ABSENT}{', '.join(map(_namer(settings), absent))}"
    elif comparison.terms[0][1] == comparison.terms[1][1]:
        obstacle = f"{label} has only one number of examples"
    else:
        return comparison
    return replace(comparison, obstacle=obstacle)


def _namer(settings: Mapping):
    return lambda model: settings["titles"].get(model, model)


def cells_of(experiment: Mapping | None) -> list[tuple[str, str]]:
    """Return the source-target pairs of an experiment."""
    if experiment is None:
        return []
    sources = experiment.get("sources") or [experiment["source"]]
    return [(source, target) for source in sources for target in experiment["targets"] if source != target]


# --- Tests -------------------------------------------------------------------------------------


def test(settings: Mapping, counts: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Test all comparisons: return a table of effects and verdicts, and one of cells.

    Args:
        settings: as for `comparisons`.
        counts: rows of `confusions.csv` by configured experiment.

    Returns frames with `COLUMNS` and `CELL_COLUMNS`. Effects, intervals and margins are in UAR points. A
    comparison that could not be tested has none; its `note` gives the reason.
    """
    scores = {name: Scores(frame, TEST_SETS.get(name, "all")) for name, frame in counts.items()}
    rows, cell_rows = [], []
    for comparison in comparisons(settings):
        row, cells = _test_one(comparison, settings, scores.get(comparison.experiment))
        rows.append(row)
        cell_rows.extend(cells)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["claim_verdict"] = table.groupby("claim")["verdict"].transform(lambda verdicts: claim_verdict(list(verdicts)))
    return table, pd.DataFrame(cell_rows, columns=list(CELL_COLUMNS))


def _test_one(comparison: Comparison, settings: Mapping, scores: Scores | None) -> tuple[dict, list[dict]]:
    row = {
        "claim": comparison.claim,
        "statement": STATEMENTS[comparison.claim],
        "comparison": comparison.title,
        "verdict": "not tested",
        "rests_on": RESTS_ON[comparison.experiment],
        "note": comparison.obstacle or "",
    }
    if comparison.obstacle or scores is None:
        return row, []
    wanted = cells_of(settings["experiments"][comparison.experiment])
    if comparison.chosen is not None:
        wanted = [cell for cell in wanted if cell in comparison.chosen | comparison.beside]
    arms = [arm for _, arm in comparison.terms]
    cells = [cell for cell in wanted if scores.seeds(arms, *cell)]
    missing = [cell for cell in wanted if cell not in cells]
    gap = f"no runs of {', '.join(map(' to '.join, missing))}" if missing else ""
    inside = cells if comparison.chosen is None else [cell for cell in cells if cell in comparison.chosen]
    if not inside or (comparison.chosen is not None and len(inside) == len(cells)):
        return row | {"note": gap}, []
    found = {cell: difference(scores, comparison.terms, *cell) for cell in cells}
    seeds = sorted({len(measured) for measured, _ in found.values()})
    if len(seeds) > 1:
        return row | {"note": "pairs differ in their seeds"}, []
    effects = {cell: float(measured.mean()) for cell, (measured, _) in found.items()}
    effect = float(contrast(effects, comparison.chosen))
    drawn = contrast({cell: draws for cell, (_, draws) in found.items()}, comparison.chosen)
    low, high = np.nanpercentile(drawn, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    base = np.mean([effects[cell] for cell in cells if cell not in inside]) if comparison.chosen is not None else 0.0
    differences = np.array([effects[cell] - base for cell in inside])
    found_verdict = verdict(low, high, differences, comparison.margin)
    if seeds[0] < 2:
        found_verdict = "inconclusive"
    row |= {
        "effect": effect,
        "low": low,
        "high": high,
        "verdict": found_verdict,
        "cells": len(inside),
        "agreeing": int((abs(differences) < comparison.margin if comparison.margin else differences > 0).sum()),
        "seeds": seeds[0],
        "margin": max(abs(low), abs(high)) if comparison.margin else np.nan,
        "note": "; ".join(filter(None, [gap, SINGLE_SEED * (seeds[0] == 1)])),
    }
    return row, [_cell(comparison, cell, measured) for cell, (measured, _) in found.items()]


def verdict(low: float, high: float, differences: np.ndarray, margin: float | None = None) -> str:
    """Return the verdict on a positive or, with a margin, negligible difference."""
    if margin is not None:
        if -margin < low and high < margin:
            return "supported"
        return "contradicted" if low > margin or high < -margin else "inconclusive"
    if low > 0 and np.mean(differences > 0) >= AGREEING:
        return "supported"
    return "contradicted" if high < 0 else "inconclusive"


def claim_verdict(verdicts: Sequence[str]) -> str:
    """Return the verdict on a claim from the verdicts on its comparisons."""
    if set(verdicts) <= {"not tested"}:
        return "not tested"
    if "contradicted" in verdicts:
        return "contradicted"
    return "supported" if set(verdicts) == {"supported"} else "inconclusive"


def _cell(comparison: Comparison, cell: tuple[str, str], measured: np.ndarray) -> dict:
    low, high = t_interval(measured)
    return {
        "claim": comparison.claim,
        "comparison": comparison.title,
        "source": cell[0],
        "target": cell[1],
        "effect": float(measured.mean()),
        "low": low,
        "high": high,
        "seeds": len(measured),
    }
