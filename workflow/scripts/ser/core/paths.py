"""The repository's own places, and the paths that identify runs and their predictions."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
SCRIPTS = ROOT / "workflow" / "scripts"
RESOURCES = ROOT / "resources"

ANY_TARGET = "any"
"""Target of a zero-shot run: it sees no target data, so one run serves all targets."""

CLEAN = "clean"
"""The condition that ingestion writes; every other one is derived from it."""

_RUN = re.compile(
    r"(?P<model>[^/]+)/(?P<source>[^/]+)-to-(?P<target>[^/]+)/(?P<shots>\d+)-shot/seed(?P<seed>\d+)(?=[./]|$)"
)


@dataclass(frozen=True, order=True)
class RunId:
    """Identity of a training run: model, source, target (`any` for a zero-shot run), shots and seed."""

    model: str
    source: str
    target: str
    shots: int
    seed: int

    @classmethod
    def of(cls, model: str, source: str, target: str, shots: int, seed: int) -> "RunId":
        """Return the run that serves a target: without shots it is the same for all of them."""
        return cls(model, source, target if shots else ANY_TARGET, shots, seed)

    @classmethod
    def parse(cls, path: str | os.PathLike) -> "RunId":
        """Return the run that a path below `results/` belongs to.

        Raises `ValueError` if the path names no run.
        """
        found = _RUN.search(Path(path).as_posix())
        if not found:
            raise ValueError(f"{path} names no run")
        return cls(found["model"], found["source"], found["target"], int(found["shots"]), int(found["seed"]))

    @property
    def path(self) -> str:
        """Path below `results/runs`, `results/predictions`, `results/logs/finetune` and so on."""
        return f"{self.model}/{self.source}-to-{self.target}/{self.shots}-shot/seed{self.seed}"

    @property
    def folder(self) -> str:
        """Folder of its weights, history and record."""
        return f"results/runs/{self.path}"

    @property
    def predictions(self) -> str:
        """File of its predictions."""
        return f"results/predictions/{self.path}.csv"

    def __str__(self) -> str:
        return f"{self.model}, {self.source} to {self.target}, {self.shots} shots, seed {self.seed}"


ENCODER_FILES = ("model.safetensors", "config.json", "preprocessor_config.json", "revision.json")


def encoder_name(model: Mapping) -> str:
    """Return the folder name of a checkpoint at a revision, shared by all models that start from it.

    Args:
        model: an entry of the configuration, with a `checkpoint`.
    """
    joined = "--".join(Path(model["checkpoint"]).parts).strip("-/")
    return f"{joined}-{model['revision'][:12]}" if "revision" in model else joined


def encoder_folder(model: Mapping) -> str:
    """Return the folder of a model's encoder, relative to the working directory."""
    return f"resources/encoders/{encoder_name(model)}"


def pooled_name(model: Mapping) -> str:
    """Return the name of a frozen encoder's pooled vectors of a corpus."""
    return encoder_name(model) + ("-30s-context" if model.get("context") == "30s" else "")


def is_made_by_demo(path: str | os.PathLike | None) -> bool:
    """Return whether the embedded demo makes a file."""
    return Path(path or "").parts[:2] == ("resources", "demo")
