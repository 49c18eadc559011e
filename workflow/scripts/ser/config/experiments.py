"""Configured experiments, and the training runs and predictions that they need."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from ser.core.identity import normalise
from ser.core.paths import ADAPTED, CALIBRATED, CLEAN, RunId

WITHIN, LEAVE_ONE_OUT, ADAPTATION = "within", "leave_one_language_out", "adaptation"
COMPARISONS = ("random_init", "tuning", "size_matched", "layers")  # each shown in a table and a figure
# each with the paper's training recipe, and with training to convergence
TABLES, FEW_SHOT, NOISE = ((name, f"{name}_converged") for name in ("table2", "figure2", "figure3"))
EXPERIMENTS = (*TABLES, *FEW_SHOT, *NOISE, *COMPARISONS, WITHIN, LEAVE_ONE_OUT, ADAPTATION)


@dataclass(frozen=True, order=True)
class Prediction:
    """Prediction of one training run for one target in one condition; a job makes all of a training run."""

    model: str
    source: str
    target: str
    shots: int
    seed: int
    condition: str

    @property
    def run(self) -> RunId:
        """Training run that predicts; a zero-shot run serves every target."""
        return RunId.of(self.model, self.source, self.target, self.shots, self.seed)


class Experiments:
    """Experiments of a configuration that are not null.

    Args:
        config: the whole configuration after `validation.load`.
    """

    def __init__(self, config: Mapping):
        self.configured = {name: entry for name in EXPERIMENTS if (entry := config["experiments"][name]) is not None}
        self.models = list(dict.fromkeys(model for entry in self.configured.values() for model in entry["models"]))
        self._seeds = config["seeds"]
        self._corpora = config["corpora"]
        self._source_sets = config["source_sets"]
        self._predictions: dict[tuple[str, ...], list[Prediction]] = {}

    def predictions(self, *names: str) -> list[Prediction]:
        """Return the predictions that the named (or all) experiments need, sorted."""
        if names not in self._predictions:
            chosen = {name: entry for name, entry in self.configured.items() if not names or name in names}
            found = {p for name, entry in chosen.items() for p in _needed_by(name, entry, self._seeds)}
            self._predictions[names] = sorted(found)
        return self._predictions[names]

    def runs(self, *names: str) -> list[RunId]:
        """Return the training runs that the named (or all) experiments need, sorted."""
        return sorted({prediction.run for prediction in self.predictions(*names)})

    def corpora(self, names: Iterable[str] | None = None) -> list[str]:
        """Return the corpora of the named (by default, all) experiments, in configuration order."""
        chosen = self.configured if names is None else [name for name in names if name in self.configured]
        pairs = [pair for name in chosen for pair in pairs_of(name, self.configured[name])]
        used = {corpus for source, target in pairs for corpus in [*self.corpora_of(source), target]}
        return [corpus for corpus in self._corpora if corpus in used]

    def corpora_of(self, source: str) -> list[str]:
        """Return the corpora of a source: those of a set of that name, or the one corpus."""
        return self._source_sets[source]["corpora"] if source in self._source_sets else [source]

    def source_corpora(self, name: str) -> list[str]:
        """Return the corpora of an experiment's sources, none if it is not configured."""
        sources = self.configured[name]["sources"] if name in self.configured else []
        return list(dict.fromkeys(corpus for source in sources for corpus in self.corpora_of(source)))

    def pairs_in_two_languages(self, name: str) -> list[tuple[str, str]]:
        """Return an experiment's pairs of a source and a target in another language than all corpora of the source."""
        return [pair for pair in pairs_of(name, self.configured[name]) if self._crosses(*pair)]

    def single_sources(self, names: Iterable[str], target: str) -> list[str]:
        """Return the corpora in other languages that models of the named experiments are trained on for a target."""
        pairs = {pair for name in names for pair in self.pairs_in_two_languages(name)}
        return sorted(source for source, other in pairs if other == target and source in self._corpora)

    def _crosses(self, source: str, target: str) -> bool:
        """Return whether no corpus of a source is in the target's language."""
        return not any(same_language(self._corpora[one], self._corpora[target]) for one in self.corpora_of(source))

    @cached_property
    def predicted_by(self) -> dict[RunId, list[tuple[str, str]]]:
        """Targets and conditions to predict with each run, sorted."""
        found: dict[RunId, list[tuple[str, str]]] = {}
        for prediction in self.predictions():
            found.setdefault(prediction.run, []).append((prediction.target, prediction.condition))
        return {run: sorted(cells) for run, cells in found.items()}

    @cached_property
    def one_run_per_model(self) -> list[RunId]:
        """The first run of each model, for values that all its runs share."""
        first: dict[str, RunId] = {}
        for prediction in self.predictions():
            first.setdefault(prediction.model, prediction.run)
        return [first[model] for model in self.models]

    @property
    def results(self) -> list[str]:
        """Rules without wildcards whose outputs are final results."""
        own = [name for name in (*TABLES, *FEW_SHOT, *NOISE, ADAPTATION) if name in self.configured]
        in_detail = ["confusion", "recall", "training_curves"] if self.main_table in self.configured else []
        more = [*["claims"] * bool(self.claimed), *["gap"] * bool(self.gap)]
        return [*own, *in_detail, *more, "table1", "scores", "provenance"] if self.configured else []

    @property
    def results_by_experiment(self) -> dict[str, list[str]]:
        """Rules with the wildcard `experiment` -> experiments whose final results they make."""
        tables, comparisons = ([name for name in names if name in self.configured] for names in (TABLES, COMPARISONS))
        by_rule = {"comparison_table": comparisons, "comparison_figure": comparisons}
        return by_rule | {"measures": tables, "differences": tables + comparisons}

    @property
    def main_table(self) -> str:
        """Table II that claims rest on and figures show in detail: the converged one if it is configured."""
        return self._converged_of(TABLES)

    @property
    def main_few_shot(self) -> str:
        """Figure 2 that claims rest on, likewise."""
        return self._converged_of(FEW_SHOT)

    @property
    def main_noise(self) -> str:
        """Figure 3 that claims rest on, likewise."""
        return self._converged_of(NOISE)

    def _converged_of(self, recipes: tuple[str, str]) -> str:
        printed, converged = recipes
        return converged if converged in self.configured else printed

    @property
    def claimed(self) -> list[str]:
        """Experiments that claims rest on."""
        names = (self.main_table, self.main_few_shot, self.main_noise, "random_init")
        return [name for name in names if name in self.configured]

    @property
    def gap(self) -> list[str]:
        """Experiments that the table `gap` shows: those with a model of `within` or `leave_one_language_out`."""
        # training on examples alone is no level of the gap
        shown = {name: entry for name, entry in self.configured.items() if name != WITHIN or 0 in entry["shots"]}
        models = {model for name in (WITHIN, LEAVE_ONE_OUT) if name in shown for model in shown[name]["models"]}
        names = (WITHIN, *FEW_SHOT, *TABLES, LEAVE_ONE_OUT)
        return [name for name in names if name in shown and models & {*shown[name]["models"]}]

    def shown_in_few_shot(self, name: str) -> list[str]:
        """Return the experiments that a Figure 2 shows: its own, and training within the target of the same models."""
        models, within = (self.configured.get(one, {"models": []})["models"] for one in (name, WITHIN))
        return [name, *([WITHIN] if {*models} & {*within} else [])]


def _needed_by(name: str, experiment: Mapping, seeds: list[int]) -> Iterator[Prediction]:
    for model in experiment["models"]:
        for source, target in pairs_of(name, experiment):
            for shots in experiment.get("shots", [0]):
                for condition in conditions_of(name, experiment):
                    for seed in seeds:
                        yield Prediction(model, source, target, shots, seed, condition)


def pairs_of(name: str, experiment: Mapping) -> list[tuple[str, str]]:
    """Return an experiment's source-target pairs; a source may be a set of corpora."""
    targets = experiment["targets"]
    if name == WITHIN:
        return [(target, target) for target in targets]
    if name == LEAVE_ONE_OUT:
        return [(all_but(target), target) for target in targets]
    sources = experiment.get("sources") or [experiment["source"]]
    return [(source, target) for source in sources for target in targets if source != target]


def all_but(target: str) -> str:
    """Return the name of the set of all sources in other languages than the target's."""
    return f"all-but-{target}"


def same_language(corpus: Mapping, other: Mapping) -> bool:
    """Return whether two entries of corpora name the same language."""
    first, second = (normalise(entry["language"]).casefold() for entry in (corpus, other))
    return first == second


def sets_of_leave_one_out(experiment: Mapping, corpora: Mapping[str, Mapping]) -> dict[str, dict]:
    """Return the source set of each target: the sources in other languages.

    Args:
        corpora: entries of all corpora by name, with their `language`, compared without regard to case.
    """
    return {
        all_but(target): {
            "corpora": [s for s in experiment["sources"] if not same_language(corpora[s], corpora[target])],
            "balanced": experiment["balanced"],
        }
        for target in experiment["targets"]
    }


def conditions_of(name: str, experiment: Mapping) -> list[str]:
    """Return the conditions that an experiment tests in."""
    if name == ADAPTATION:
        return [CLEAN, CALIBRATED, ADAPTED]
    return [CLEAN, experiment["condition"]] if "condition" in experiment else [CLEAN]
