"""Tests of the paper's claims (C0 to C7, C9) and of ours (C8).

A claim has one primary contrast, or two if it says two things. A contrast is a weighted sum of UARs: the mean, over the
claim's models, over pairs or targets, and over numbers of examples above 0, of a paired difference in UAR points.
Verdicts rest on the primary contrasts of all claims together; other comparisons are descriptive. `EXPLANATION` states
the rules. They are fixed here and do not depend on results.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ser.core.paths import RunId
from ser.evaluation.bootstrap import CONFIDENCE, Arm, Bootstrap, Estimate, Term, corrected_p_values, interval
from ser.models import pretraining_data

STATEMENTS = {
    "C0": "Foundation models, Wav2Vec2 included, beat CNN-LSTM across languages",
    "C1": "Multilingual foundation models beat CNN-LSTM across languages",
    "C2": "A randomly initialised encoder is comparable to CNN-LSTM",
    "C3": "Multilingual foundation models beat Wav2Vec2, pre-trained on English",
    "C4": "A few target examples raise foundation models' UAR, and keep it above CNN-LSTM's",
    "C5": "Multilingual foundation models stay above Wav2Vec2 with a few target examples",
    "C6": "In noise, foundation models have a higher UAR than CNN-LSTM, and lose less",
    "C7": "In noise, multilingual foundation models have a higher UAR than Wav2Vec2, and lose less",
    "C8": "Having seen the target language in pre-training helps",
    "C9": "Pre-training raises an encoder's UAR across languages",
}
DESCRIPTIVE = {  # claims without a verdict -> why
    "C2": "no two models can be shown to be comparable within a point or two with these corpora",
    "C8": "languages seen or not seen in pre-training are one to three corpora",
}
MIN_SEEDS = 5  # for a verdict
MIN_CONVERGED = 0.9  # share of a model's runs, for a verdict on it
EXPLANATION = (
    "The effect of a primary contrast is the mean over the claim's models, over pairs or targets, and over numbers of"
    " examples above 0, of a paired difference in UAR points. Intervals are at 95 %, for new seeds and new speakers of"
    " these corpora. Supported: the effect is above 0; contradicted: it is below 0; both with a p value of at most"
    f" {1 - CONFIDENCE:.2f}, corrected by Holm's method over all primary contrasts; otherwise inconclusive. A claim"
    " with two primary contrasts is supported if both are, and contradicted if one is. There is no verdict with fewer"
    f" than {MIN_SEEDS} seeds, nor if one of the models compared converged in less than {100 * MIN_CONVERGED:.0f} % of"
    " its training runs. Other comparisons are descriptive: they have no verdict."
)
LABELS = {
    "table2": "Table II",
    "table2_converged": "Table II, converged",
    "figure2": "Figure 2",
    "figure3": "Figure 3",
    "random_init": "random initialisation",
}
TEST_SETS = {"figure2": "test"}  # experiments that are not scored on all utterances of the target
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

Weighted = tuple[tuple[float, Arm], ...]


@dataclass(frozen=True)
class Comparison:
    """Contrast of UARs that a claim predicts to be positive (C2: negligible).

    Attributes:
        title: description of the comparison.
        experiment: experiment whose runs are compared.
        arms: arms and their coefficients on every pair.
        primary: whether the verdict on the claim rests on it.
        chosen: pairs whose mean is compared with that of the `beside` pairs; None: all pairs, compared with 0.
        beside: pairs that the chosen ones are compared with.
        obstacle: reason why it cannot be tested.
    """

    claim: str
    title: str
    experiment: str
    arms: Weighted
    primary: bool = False
    chosen: frozenset[tuple[str, str]] | None = None
    beside: frozenset[tuple[str, str]] = frozenset()
    obstacle: str | None = None

    @property
    def models(self) -> list[str]:
        """Models compared, sorted."""
        return sorted({arm.model for _, arm in self.arms})

    def terms(self, pairs: Sequence[tuple[str, str]]) -> Iterator[Term]:
        """Yield the terms of the contrast, a mean over pairs."""
        for pair in pairs:
            share = -1 / len(self.beside) if pair in self.beside else 1 / len(self.chosen or pairs)
            yield from (Term(coefficient * share, arm, *pair) for coefficient, arm in self.arms)


def mean_difference(pairs: Iterable[tuple[Arm, Arm]]) -> Weighted:
    """Return the mean of the first arms minus the second."""
    pairs, found = list(pairs), {}
    for first, second in pairs:
        for sign, arm in ((1, first), (-1, second)):
            found[arm] = found.get(arm, 0) + sign / len(pairs)
    return tuple((coefficient, arm) for arm, coefficient in found.items() if coefficient)


def mean_arms(arms: Sequence[Weighted]) -> Weighted:
    """Return the mean of several sums of arms."""
    return tuple((coefficient / len(arms), arm) for one in arms for coefficient, arm in one)


def minus(first: Weighted, second: Weighted) -> Weighted:
    """Return one sum of arms minus another."""
    return (*first, *((-coefficient, arm) for coefficient, arm in second))


# --- Comparisons -------------------------------------------------------------------------------


def comparisons(settings: Mapping) -> list[Comparison]:
    """Return the comparisons of all claims, primary first, with an obstacle if not testable.

    Args:
        settings: `roles` (baseline, english, random, pretrained, multilingual: models of the configuration),
            `experiments` by name, with `pairs` of a source and a target in two languages; `titles` of models,
            `languages` of corpora, and entries of the `models` without title and resources.
    """
    found = [*_across_languages(settings), *_few_shot(settings), *_in_noise(settings), *_seen_in_pretraining(settings)]
    found = [_with_obstacle(comparison, settings) for comparison in found]
    found += [_without_models(claim, settings) for claim in STATEMENTS.keys() - {one.claim for one in found}]
    return sorted(found, key=lambda one: (one.claim, not one.primary))


def pairs_experiment(experiments: Mapping) -> str:
    """Return the experiment that claims on all pairs rest on."""
    return "table2_converged" if experiments["table2_converged"] else "table2"


def _models_against(claim: str, experiment: str, models: Sequence[str], arms, name, title: str) -> Iterator[Comparison]:
    """Yield the mean over models as primary, and each model.

    Args:
        arms: model -> its weighted arms.
        title: of a comparison, with {} in place of the models.
    """
    if models:
        group = "mean of " + ", ".join(map(name, models)) if len(models) > 1 else name(models[0])
        yield Comparison(claim, title.format(group), experiment, mean_arms([arms(one) for one in models]), primary=True)
    if len(models) > 1:
        yield from (Comparison(claim, title.format(name(model)), experiment, arms(model)) for model in models)


def _across_languages(settings: Mapping) -> Iterator[Comparison]:
    roles, name, table2 = settings["roles"], _namer(settings), pairs_experiment(settings["experiments"])
    baseline, english, multilingual = roles["baseline"], roles["english"], roles["multilingual"]

    def minus(other):
        return lambda model: mean_difference([(Arm(model), Arm(other))])

    beaten = f"{{}} against {name(baseline)}"
    yield from _models_against("C0", table2, [english, *multilingual], minus(baseline), name, beaten)
    yield from _models_against("C1", table2, multilingual, minus(baseline), name, beaten)
    title = f"{name(roles['random'])} against {name(baseline)}"
    yield Comparison("C2", title, "random_init", minus(baseline)(roles["random"]))
    yield from _models_against("C3", table2, multilingual, minus(english), name, f"{{}} against {name(english)}")
    title = f"{{}} against {name(roles['random'])}"
    yield from _models_against("C9", "random_init", [roles["pretrained"]], minus(roles["random"]), name, title)


def _few_shot(settings: Mapping) -> Iterator[Comparison]:
    roles, name, foundation = settings["roles"], _namer(settings), _foundation(settings)
    baseline, english = roles["baseline"], roles["english"]
    shown = sorted((settings["experiments"]["figure2"] or {"shots": []})["shots"])
    sizes = [shots for shots in shown if shots]
    if not sizes:
        return

    def gain(model):
        return mean_difference((Arm(model, shots), Arm(model)) for shots in sizes)

    def above(other):
        return lambda model: mean_difference((Arm(model, shots), Arm(other, shots)) for shots in sizes)

    without_zero = None if 0 in shown else "Figure 2 has no scores without examples"
    title = "{}, with examples against 0"
    for one in _models_against("C4", "figure2", foundation, gain, name, title):
        yield replace(one, obstacle=without_zero)
    yield Comparison("C4", title.format(name(baseline)), "figure2", gain(baseline), obstacle=without_zero)
    for claim, models, other in (("C4", foundation, baseline), ("C5", roles["multilingual"], english)):
        if not models:
            continue
        title = f"gain with examples: mean of models minus {name(other)}"
        gained = minus(mean_arms([gain(model) for model in models]), gain(other))
        yield Comparison(claim, title, "figure2", gained, obstacle=without_zero)
        yield from _models_against(claim, "figure2", models, above(other), name, f"{{}} against {name(other)}")
        for shots in shown:
            arms = mean_difference((Arm(model, shots), Arm(other, shots)) for model in models)
            yield Comparison(claim, f"mean of models against {name(other)}, {shots} examples", "figure2", arms)


def _in_noise(settings: Mapping) -> Iterator[Comparison]:
    roles, name = settings["roles"], _namer(settings)
    baseline, english = roles["baseline"], roles["english"]
    noise = (settings["experiments"]["figure3"] or {"condition": "noisy"})["condition"]

    def minus(other):
        return lambda model: mean_difference([(Arm(model, condition=noise), Arm(other, condition=noise))])

    def lost_less(other):
        noisy = minus(other)
        return lambda model: (*noisy(model), (-1, Arm(model)), (1, Arm(other)))

    for claim, models, other in (
        ("C6", _foundation(settings), baseline),
        ("C7", roles["multilingual"], english),
    ):
        title = f"{{}} against {name(other)}, {noise}"
        yield from _models_against(claim, "figure3", models, minus(other), name, title)
        title = f"points lost by {name(other)} minus {{}}"
        yield from _models_against(claim, "figure3", models, lost_less(other), name, title)


def _seen_in_pretraining(settings: Mapping) -> Iterator[Comparison]:
    """Yield comparisons of languages seen and not seen in pre-training.

    Two checkpoints are compared on targets whose language only the first saw, relative to targets that both or neither
    saw.
    """
    name, experiment = _namer(settings), pairs_experiment(settings["experiments"])
    cells = tested_pairs(settings["experiments"][experiment])
    foundation = [model for model in _foundation(settings) if model in settings["models"]]

    def seen(model, cell):
        return pretraining_data.seen(settings["models"][model], settings["languages"][cell[1]])

    for first in foundation:
        for second in foundation:
            known = {cell: (seen(first, cell), seen(second, cell)) for cell in cells}
            chosen = frozenset(cell for cell, both in known.items() if both == ("yes", "no"))
            beside = frozenset(cell for cell, both in known.items() if both in (("yes", "yes"), ("no", "no")))
            if chosen and beside:
                languages = sorted({settings["languages"][target] for _, target in chosen})
                title = f"{name(first)} minus {name(second)}: on {', '.join(languages)}, minus on other targets"
                arms = mean_difference([(Arm(first), Arm(second))])
                yield Comparison("C8", title, experiment, arms, chosen=chosen, beside=beside)


def _foundation(settings: Mapping) -> list[str]:
    """Return the multilingual foundation models, after the English one if the configuration has one."""
    english = settings["roles"]["english"]
    return [*([english] if english in settings["models"] else []), *settings["roles"]["multilingual"]]


def _without_models(claim: str, settings: Mapping) -> Comparison:
    """Return a placeholder for a claim without comparisons."""
    experiment = "figure2" if claim in ("C4", "C5") else pairs_experiment(settings["experiments"])
    if settings["experiments"][experiment] is None:
        obstacle = f"{LABELS[experiment]} is not configured"
    elif claim == "C8":
        obstacle = "no two checkpoints are known to differ in the target languages seen in pre-training"
    elif claim in ("C4", "C5") and not any(settings["experiments"]["figure2"]["shots"]):
        obstacle = "Figure 2 has no examples of the target"
    else:
        obstacle = "the models of this claim are not configured"
    return Comparison(claim, "none", experiment, (), obstacle=obstacle)


def _with_obstacle(comparison: Comparison, settings: Mapping) -> Comparison:
    experiment, label = settings["experiments"][comparison.experiment], LABELS[comparison.experiment]
    if experiment is None:
        return replace(comparison, obstacle=f"{label} is not configured")
    if not experiment["pairs"]:
        return replace(comparison, obstacle=f"{label} has no source and target in two languages")
    if absent := [model for model in comparison.models if model not in experiment["models"]]:
        return replace(comparison, obstacle=f"{label} does not include {', '.join(map(_namer(settings), absent))}")
    if comparison.claim == "C9":
        first, second = (settings["models"].get(model, {}) for model in comparison.models)
        if different := sorted(
            key for key in {*first, *second} if key != "weights" and first.get(key) != second.get(key)
        ):
            return replace(
                comparison, obstacle=f"the two models differ in {', '.join(different)}, not in weights alone"
            )
    return comparison


def _namer(settings: Mapping):
    return lambda model: settings["titles"].get(model, model)


def tested_pairs(experiment: Mapping | None) -> list[tuple[str, str]]:
    """Return the source-target pairs of an experiment, none if it is not configured."""
    return [(source, target) for source, target in experiment["pairs"]] if experiment else []


# --- Tests -------------------------------------------------------------------------------------


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
    found = {one: _estimates(one, settings, drawn[one.experiment]) for one in every if not one.obstacle}
    refused = {
        one: _refusal(one, found[one][0], converged[one.experiment], _namer(settings)) for one in found if one.primary
    }
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


def _estimates(comparison: Comparison, settings: Mapping, scores: Bootstrap) -> tuple[Estimate, dict]:
    """Return the estimate of a comparison, and that of each of its pairs."""
    pairs = tested_pairs(settings["experiments"][comparison.experiment])
    if comparison.chosen is not None:
        pairs = [pair for pair in pairs if pair in comparison.chosen | comparison.beside]
    by_pair = {pair: scores.estimate([Term(c, arm, *pair) for c, arm in comparison.arms]) for pair in pairs}
    return scores.estimate(comparison.terms(pairs)), by_pair


def _measured(comparison: Comparison, estimate: Estimate, by_pair: Mapping) -> dict:
    """Return effect, interval, and number of pairs or targets that agree with the claim (C2: smallest margin)."""
    effects = {pair: one.effect for pair, one in by_pair.items()}
    base = np.mean([effects[pair] for pair in comparison.beside]) if comparison.beside else 0.0
    chosen = [effect - base for pair, effect in effects.items() if pair not in comparison.beside]
    low, high = interval(estimate)
    equal = comparison.claim == "C2"  # claims no difference
    return {
        "effect": estimate.effect,
        "low": low,
        "high": high,
        "cells": len(chosen),
        "agreeing": np.nan if equal else sum(effect > 0 for effect in chosen),
        "seeds": len(estimate.by_seed),
        "smallest_margin": max(abs(low), abs(high)) if equal else np.nan,
    }


def _converged(scores: pd.DataFrame) -> pd.Series:
    """Return the share of each model's runs that were trained to convergence."""
    columns = ["model", "source", "target", "shots", "seed"]
    runs = pd.Series([RunId.of(*row) for row in scores[columns].itertuples(index=False)], scores.index)
    return scores[~runs.duplicated()].groupby("model")["converged"].mean()


def _refusal(comparison: Comparison, estimate: Estimate, converged: pd.Series, name) -> str:
    """Return why a primary contrast gets no verdict, empty if it gets one."""
    seeds = len(estimate.by_seed)
    if seeds < MIN_SEEDS:
        return f"{seeds} seed{'s' if seeds > 1 else ''}"
    low = [f"{name(m)} {100 * converged[m]:.0f} %" for m in comparison.models if converged[m] < MIN_CONVERGED]
    return f"too few runs converged: {', '.join(low)}" if low else ""


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


def _cell(comparison: Comparison, pair: tuple[str, str], estimate: Estimate) -> dict:
    low, high = interval(estimate)
    return {
        "claim": comparison.claim,
        "comparison": comparison.title,
        "source": pair[0],
        "target": pair[1],
        "effect": estimate.effect,
        "low": low,
        "high": high,
        "seeds": len(estimate.by_seed),
    }
