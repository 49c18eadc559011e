"""Comparisons that the paper's claims (C0 to C7, C9) and ours (C8) make.

A claim has one primary contrast, or two if it says two things: the mean, over the claim's models, over pairs or
targets, and over numbers of examples above 0, of a paired difference in UAR points. Other comparisons are descriptive.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ser.evaluation.contrasts import Contrast, mean, uar
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
LABELS = {
    "table2": "Table II",
    "table2_converged": "Table II (converged)",
    "figure2": "Figure 2",
    "figure2_converged": "Figure 2 (converged)",
    "figure3": "Figure 3",
    "figure3_converged": "Figure 3 (converged)",
    "random_init": "random initialisation",
}
Pair = tuple[str, str]  # source and target


@dataclass(frozen=True, eq=False)
class Comparison:
    """Contrast of UARs that a claim predicts to be positive (C2: negligible).

    Attributes:
        title: description of the comparison.
        experiment: experiment whose runs are compared.
        by_pair: contrast on every pair.
        primary: whether the verdict on the claim rests on it.
        beside: pairs that the others are compared with; if empty, they are compared with 0.
        obstacle: reason why it cannot be tested.
    """

    claim: str
    title: str
    experiment: str
    by_pair: Mapping[Pair, Contrast]
    primary: bool = False
    beside: frozenset[Pair] = frozenset()
    obstacle: str | None = None

    @property
    def contrast(self) -> Contrast:
        """Mean over pairs, minus the mean over those `beside`."""
        chosen = mean(contrast for pair, contrast in self.by_pair.items() if pair not in self.beside)
        beside = [contrast for pair, contrast in self.by_pair.items() if pair in self.beside]
        return chosen - mean(beside) if beside else chosen

    @property
    def models(self) -> list[str]:
        """Models compared, sorted."""
        return sorted({cell.model for contrast in self.by_pair.values() for cell in contrast.coefficients})


def comparisons(settings: Mapping) -> list[Comparison]:
    """Return the comparisons of all claims, primary first, with an obstacle if not testable.

    Args:
        settings: `roles` (baseline, english, random, pretrained, multilingual: models of the configuration),
            `experiments` by name, with `pairs` of a source and a target in two languages; which of them are the
            `table2`, `figure2` and `figure3` that claims rest on; `titles` of models, `languages` of corpora, and
            entries of the `models` without title and resources.
    """
    return _Claims(settings).comparisons()


class _Claims:
    """Claims on the models and experiments of a configuration."""

    def __init__(self, settings: Mapping):
        self._settings, self._experiments, roles = settings, settings["experiments"], settings["roles"]
        self._baseline, self._english, self._random = roles["baseline"], roles["english"], roles["random"]
        self._pretrained, self._multilingual = roles["pretrained"], roles["multilingual"]
        english = [self._english] if self._english in settings["models"] else []
        self._foundation = [*english, *self._multilingual]  # models; the English one only if configured
        self._table2, self._figure2, self._figure3 = (settings[name] for name in ("table2", "figure2", "figure3"))

    def comparisons(self) -> list[Comparison]:
        found = [*self._across_languages(), *self._few_shot(), *self._in_noise(), *self._seen_in_pretraining()]
        found = [self._with_obstacle(comparison) for comparison in found]
        found += [self._without_models(claim) for claim in STATEMENTS.keys() - {one.claim for one in found}]
        return sorted(found, key=lambda one: (one.claim, not one.primary))

    def _across_languages(self) -> Iterator[Comparison]:
        above_baseline, above_random = minus(uar, self._baseline), minus(uar, self._random)
        beaten = f"{{}} against {self._name(self._baseline)}"
        foundation = [self._english, *self._multilingual]
        yield from self._of_models("C0", beaten, self._table2, foundation, above_baseline)
        yield from self._of_models("C1", beaten, self._table2, self._multilingual, above_baseline)
        yield self._of_model("C2", beaten, "random_init", self._random, above_baseline)
        beaten = f"{{}} against {self._name(self._english)}"
        yield from self._of_models("C3", beaten, self._table2, self._multilingual, minus(uar, self._english))
        beaten = f"{{}} against {self._name(self._random)}"
        yield from self._of_models("C9", beaten, "random_init", [self._pretrained], above_random)

    def _few_shot(self) -> Iterator[Comparison]:
        shown = sorted((self._experiments[self._figure2] or {"shots": []})["shots"])
        sizes = [shots for shots in shown if shots]
        if not sizes:
            return

        def with_examples(model, *pair):
            return mean(uar(model, *pair, shots) for shots in sizes)

        def gain(model, *pair):
            return with_examples(model, *pair) - uar(model, *pair)

        without_zero = None if 0 in shown else f"{LABELS[self._figure2]} has no scores without examples"
        title = "{}, with examples against 0"
        for one in self._of_models("C4", title, self._figure2, self._foundation, gain):
            yield replace(one, obstacle=without_zero)
        yield replace(self._of_model("C4", title, self._figure2, self._baseline, gain), obstacle=without_zero)
        for claim, models, other in (
            ("C4", self._foundation, self._baseline),
            ("C5", self._multilingual, self._english),
        ):
            if not models:
                continue
            title = f"gain with examples: mean of models minus {self._name(other)}"
            gained = self._comparison(claim, title, self._figure2, over(models, minus(gain, other)))
            yield replace(gained, obstacle=without_zero)
            title = f"{{}} against {self._name(other)}"
            yield from self._of_models(claim, title, self._figure2, models, minus(with_examples, other))
            for shots in shown:
                title = f"mean of models against {self._name(other)}, {shots} examples"
                above = over(models, minus(partial(uar, shots=shots), other))
                yield self._comparison(claim, title, self._figure2, above)

    def _in_noise(self) -> Iterator[Comparison]:
        condition = (self._experiments[self._figure3] or {"condition": "noisy"})["condition"]
        noisy = partial(uar, condition=condition)

        def change(model, *pair):
            return noisy(model, *pair) - uar(model, *pair)

        for claim, models, other in (
            ("C6", self._foundation, self._baseline),
            ("C7", self._multilingual, self._english),
        ):
            title = f"{{}} against {self._name(other)}, {condition}"
            yield from self._of_models(claim, title, self._figure3, models, minus(noisy, other))
            title = f"points lost by {self._name(other)} minus {{}}"
            yield from self._of_models(claim, title, self._figure3, models, minus(change, other))

    def _seen_in_pretraining(self) -> Iterator[Comparison]:
        """Yield comparisons of languages seen and not seen in pre-training.

        Two checkpoints are compared on targets whose language only the first saw, relative to targets that both or
        neither saw.
        """
        pairs = tested_pairs(self._experiments[self._table2])
        languages, entries = self._settings["languages"], self._settings["models"]
        foundation = [model for model in self._foundation if model in entries]

        def seen(model, pair):
            return pretraining_data.seen(entries[model], languages[pair[1]])

        for first in foundation:
            for second in foundation:
                known = {pair: (seen(first, pair), seen(second, pair)) for pair in pairs}
                chosen = {pair for pair, both in known.items() if both == ("yes", "no")}
                beside = {pair for pair, both in known.items() if both in (("yes", "yes"), ("no", "no"))}
                if chosen and beside:
                    listed = ", ".join(sorted({languages[target] for _, target in chosen}))
                    title = f"{self._name(first)} minus {self._name(second)}: on {listed}, minus on other targets"
                    compared = [pair for pair in pairs if pair in chosen | beside]
                    by_pair = {pair: uar(first, *pair) - uar(second, *pair) for pair in compared}
                    yield Comparison("C8", title, self._table2, by_pair, beside=frozenset(beside))

    # --- Building ---

    def _comparison(
        self, claim: str, title: str, experiment: str, contrast: Callable[..., Contrast], primary: bool = False
    ) -> Comparison:
        """Return a comparison of the contrast of every pair."""
        pairs = tested_pairs(self._experiments[experiment])
        return Comparison(claim, title, experiment, {pair: contrast(*pair) for pair in pairs}, primary)

    def _of_model(self, claim: str, title: str, experiment: str, model: str, contrast: Callable) -> Comparison:
        """Return a comparison of one model.

        Args:
            title: of the comparison, with {} in place of the model.
            contrast: of a model, a source and a target.
        """
        return self._comparison(claim, title.format(self._name(model)), experiment, partial(contrast, model))

    def _of_models(
        self, claim: str, title: str, experiment: str, models: Sequence[str], contrast: Callable
    ) -> Iterator[Comparison]:
        """Yield the mean over models as primary, and each model; arguments as for `_of_model`."""
        if len(models) == 1:
            yield replace(self._of_model(claim, title, experiment, models[0], contrast), primary=True)
        elif models:
            overall = title.format("mean of " + ", ".join(map(self._name, models)))
            yield self._comparison(claim, overall, experiment, over(models, contrast), primary=True)
            yield from (self._of_model(claim, title, experiment, model, contrast) for model in models)

    def _name(self, model: str) -> str:
        return self._settings["titles"].get(model, model)

    # --- Obstacles ---

    def _without_models(self, claim: str) -> Comparison:
        """Return a placeholder for a claim without comparisons."""
        few_shot, noise = dict.fromkeys(("C4", "C5"), self._figure2), dict.fromkeys(("C6", "C7"), self._figure3)
        experiment = (few_shot | noise).get(claim, self._table2)
        if self._experiments[experiment] is None:
            obstacle = f"{LABELS[experiment]} is not configured"
        elif claim == "C8":
            obstacle = "no two checkpoints are known to differ in the target languages seen in pre-training"
        elif claim in ("C4", "C5") and not any(self._experiments[self._figure2]["shots"]):
            obstacle = f"{LABELS[self._figure2]} has no examples of the target"
        else:
            obstacle = "the models of this claim are not configured"
        return Comparison(claim, "none", experiment, {}, obstacle=obstacle)

    def _with_obstacle(self, comparison: Comparison) -> Comparison:
        experiment, label = self._experiments[comparison.experiment], LABELS[comparison.experiment]
        if experiment is None:
            return replace(comparison, obstacle=f"{label} is not configured")
        if not experiment["pairs"]:
            return replace(comparison, obstacle=f"{label} has no source and target in two languages")
        if absent := [model for model in comparison.models if model not in experiment["models"]]:
            return replace(comparison, obstacle=f"{label} does not include {', '.join(map(self._name, absent))}")
        if comparison.claim == "C9":
            first, second = (self._settings["models"].get(model, {}) for model in comparison.models)
            keys = sorted({*first, *second} - {"weights"})
            if different := [key for key in keys if first.get(key) != second.get(key)]:
                differences = f"the two models differ in {', '.join(different)}, not in weights alone"
                return replace(comparison, obstacle=differences)
        return comparison


def minus(contrast: Callable[..., Contrast], other: str) -> Callable[..., Contrast]:
    """Return a contrast of models and pairs, less that of another model."""
    return lambda model, *pair: contrast(model, *pair) - contrast(other, *pair)


def over(models: Sequence[str], contrast: Callable[..., Contrast]) -> Callable[..., Contrast]:
    """Return the mean over models of a contrast of models and pairs."""
    return lambda *pair: mean(contrast(model, *pair) for model in models)


def tested_pairs(experiment: Mapping | None) -> list[Pair]:
    """Return the source-target pairs of an experiment, none if it is not configured."""
    return [(source, target) for source, target in experiment["pairs"]] if experiment else []
