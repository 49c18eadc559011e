"""Which runs and predictions the configured experiments need."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ser.core.paths import ANY_TARGET, CLEAN

EXPERIMENTS = ("table2", "figure2", "figure3", "random_init", "tuning")
CLAIMED = ("table2", "figure2", "figure3", "random_init")  # those that a claim rests on


@dataclass(frozen=True, order=True)
class Prediction:
    """One run's labels of one target in one condition."""

    model: str
    source: str
    target: str
    shots: int
    seed: int
    condition: str

    @property
    def trained_on_target(self) -> str:
        """Target of the run behind it: a zero-shot run serves every target."""
        return self.target if self.shots else ANY_TARGET

    @property
    def training(self) -> str:
        """Where the files of the run behind it are, below `results/runs`, `results/logs/finetune` and so on."""
        return f"{self.model}/{self.source}-to-{self.trained_on_target}/{self.shots}-shot/seed{self.seed}"

    @property
    def file(self) -> str:
        """Where it is written."""
        pair = f"{self.model}/{self.source}-to-{self.target}"
        return f"results/predictions/{pair}/{self.shots}-shot/seed{self.seed}/{self.condition}.csv"


def predictions(config: dict, experiments: Iterable[str] = EXPERIMENTS) -> list[Prediction]:
    """All predictions that the named experiments need, sorted, each once. A null experiment needs none."""
    needed = set()
    for name in experiments:
        experiment = config["experiments"][name]
        if experiment is not None:
            needed.update(_needed_by(experiment, config["seeds"]))
    return sorted(needed)


def _needed_by(experiment: dict, seeds: list[int]) -> Iterator[Prediction]:
    conditions = [CLEAN, experiment["condition"]] if "condition" in experiment else [CLEAN]
    for model in experiment["models"]:
        for source in _sources(experiment):
            for target in experiment["targets"]:
                if source != target:
                    for shots in experiment.get("shots", [0]):
                        for condition in conditions:
                            for seed in seeds:
                                yield Prediction(model, source, target, shots, seed, condition)


def used_corpora(config: dict, experiments: Iterable[str] = EXPERIMENTS) -> list[str]:
    """Corpora that the named experiments use, in the config's order."""
    named = [config["experiments"][name] for name in experiments if config["experiments"][name] is not None]
    used = {corpus for experiment in named for corpus in [*_sources(experiment), *experiment["targets"]]}
    return [corpus for corpus in config["corpora"] if corpus in used]


def _sources(experiment: dict) -> list[str]:
    return experiment.get("sources") or [experiment["source"]]
