"""Repository paths, and the paths that identify training runs and predictions."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
SCRIPTS = ROOT / "workflow" / "scripts"
RESOURCES = ROOT / "resources"

ANY_TARGET = "any"
"""Target of a zero-shot run: it uses no target data, so one run serves all targets."""

CLEAN = "clean"
"""Condition written by ingestion, from which every other condition is derived."""

CALIBRATED, ADAPTED = "calibrated", "adapted"
"""Conditions of the same audio, in which the prediction job changes its predictions (`ser.training.calibration`)."""

_RUN = re.compile(
    r"(?P<model>[^/]+)/(?P<source>[^/]+)-to-(?P<target>[^/]+)/(?P<shots>\d+)-shot/seed(?P<seed>\d+)(?=[./]|$)"
)


@dataclass(frozen=True, order=True)
class RunId:
    """Identity of a training run.

    The target of a zero-shot run is `any`, that of a run within a corpus is its source.
    """

    model: str
    source: str
    target: str
    shots: int
    seed: int

    @classmethod
    def of(cls, model: str, source: str, target: str, shots: int, seed: int) -> "RunId":
        """Return the run for a target: with 0 shots, all targets but the source itself share one run."""
        return cls(model, source, target if shots or target == source else ANY_TARGET, shots, seed)

    @classmethod
    def parse(cls, path: str | os.PathLike) -> "RunId":
        """Return the run that a path below `results/` belongs to.

        Raises `ValueError` if the path does not belong to a run.
        """
        found = _RUN.search(Path(path).as_posix())
        if not found:
            raise ValueError(f"{path} does not belong to a run")
        return cls(found["model"], found["source"], found["target"], int(found["shots"]), int(found["seed"]))

    @property
    def has_target_data(self) -> bool:
        """Whether utterances of the target's pool are training data."""
        return self.target != ANY_TARGET

    @property
    def path(self) -> str:
        """Path below `results/runs`, `results/predictions` and so on."""
        return f"{self.model}/{self.source}-to-{self.target}/{self.shots}-shot/seed{self.seed}"

    @property
    def folder(self) -> str:
        """Folder of the run's weights, history and record."""
        return f"results/runs/{self.path}"

    @property
    def predictions(self) -> str:
        """File of the run's predictions."""
        return f"results/predictions/{self.path}.csv"

    def __str__(self) -> str:
        return f"{self.model}, {self.source} to {self.target}, {self.shots} shots, seed {self.seed}"
