"""Which cells of the experiments' grids are done, running or missing, from files alone."""

import base64
import binascii
import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ser.config import experiments
from ser.config.experiments import Prediction
from ser.core.paths import CLEAN

DONE, RUNNING, INTERRUPTED, MISSING = "done", "running", "interrupted", "missing"


# --- Snakemake's marks ------------------------------------------------------------------------


@dataclass(frozen=True)
class Marks:
    """Snakemake's notes on the jobs of a working directory.

    `started`: outputs of jobs that were started and have not ended -> when, in seconds since the epoch.
    `held`: whether a Snakemake holds the directory; else what was started was interrupted.
    """

    started: Mapping[str, float]
    held: bool


def read_marks(directory: Path) -> Marks:
    """Read `.snakemake/incomplete` and `.snakemake/locks`, which Snakemake may change in the meantime.

    Locks of a Snakemake that was killed stay behind, until the next one is told to `--unlock`.
    """
    folder = directory / ".snakemake"
    held = any(files for _, _, files in os.walk(folder / "locks"))
    started = {}
    for root, _, names in os.walk(folder / "incomplete"):
        for path in (Path(root, name) for name in names):
            output = output_of_mark(path.relative_to(folder / "incomplete").parts)
            with contextlib.suppress(FileNotFoundError):  # its job may just have ended
                started[output] = path.stat().st_mtime
    started.pop(None, None)
    return Marks(started, held)


def output_of_mark(parts: Sequence[str]) -> str | None:
    """The output that a mark stands for, or None if it is no mark.

    Snakemake 9.27 (`persistence/file.py`) names it by the output's path in URL-safe base64, cut into folders that begin
    with `@` where it is longer than a file's name may be.
    """
    *folders, name = parts
    try:
        return base64.b64decode("".join(part.removeprefix("@") for part in folders) + name, b"-_", True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


# --- What is done -----------------------------------------------------------------------------


def training_files(training: str) -> list[str]:
    """All outputs of a training."""
    return [f"results/runs/{training}/{name}" for name in ("weights.safetensors", "history.csv", "run.json")]


def state_of(outputs: Iterable[str], directory: Path, marks: Marks) -> str:
    """State of a job by its outputs: a mark outweighs a file, which is then about to be written again."""
    outputs = list(outputs)
    if any(output in marks.started for output in outputs):
        return RUNNING if marks.held else INTERRUPTED
    return DONE if all((directory / output).is_file() for output in outputs) else MISSING


@dataclass(frozen=True)
class States:
    """State of every training, by its place, and of every prediction that the experiments need."""

    trainings: dict[str, str]
    predictions: dict[Prediction, str]

    def of_repetition(self, prediction: Prediction) -> str:
        """State of a repetition of a cell: while its training runs, so does it."""
        if self.trainings[prediction.training] == RUNNING:
            return RUNNING
        return self.predictions[prediction]


def read_states(config: dict, directory: Path, marks: Marks) -> States:
    """Look for every output that the configured experiments need."""
    needed = experiments.predictions(config)
    trainings = dict.fromkeys(prediction.training for prediction in needed)
    return States(
        {training: state_of(training_files(training), directory, marks) for training in trainings},
        {prediction: state_of([prediction.file], directory, marks) for prediction in needed},
    )


EPOCHS = re.compile(r"epochs: .*\| *(\d+)/(\d+) \[")  # as ser.progress writes them


def epochs_done(training: str, directory: Path, marks: Marks) -> tuple[int, int] | None:
    """Epochs that a running training has finished, and of how many; None if its log does not say yet."""
    since = max(marks.started.get(output, 0.0) for output in training_files(training))
    log = directory / "results" / "logs" / "finetune" / f"{training}.log"
    try:
        if log.stat().st_mtime < since:  # an earlier attempt's
            return None
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = EPOCHS.findall(text)
    return (int(found[-1][0]), int(found[-1][1])) if found else None


# --- The grids --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """Repetitions of one model on one row of a grid."""

    done: int
    running: int
    total: int

    def __str__(self) -> str:
        return f"{self.done}/{self.total}" + (f"+{self.running}" if self.running else "")


@dataclass(frozen=True)
class Grid:
    """One experiment: `cells[row][column]`, a row's label beside it, a model a column."""

    experiment: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    models: list[str]
    cells: list[list[Cell]]


def grids(config: dict, states: States) -> list[Grid]:
    """A grid for every configured experiment, in the order of the configuration's models, sources and targets."""
    return [
        grid_of(name, config["experiments"][name], experiments.predictions(config, [name]), states)
        for name in experiments.EXPERIMENTS
        if config["experiments"][name] is not None
    ]


def grid_of(name: str, experiment: dict, predictions: Iterable[Prediction], states: States) -> Grid:
    """The grid of one experiment: source and target, with shots and condition where it varies them."""
    sources = experiment.get("sources") or [experiment["source"]]
    varied = [key for key in ("shots", "condition") if key in experiment]
    counts: dict[tuple, dict[str, Counter]] = {}
    for p in predictions:
        place = (sources.index(p.source), experiment["targets"].index(p.target), p.shots, p.condition != CLEAN)
        row = (*place, (p.source, p.target, *(str(getattr(p, key)) for key in varied)))
        counts.setdefault(row, {}).setdefault(p.model, Counter())[states.of_repetition(p)] += 1
    rows = sorted(counts)
    return Grid(
        name,
        ("source", "target", *varied),
        [row[-1] for row in rows],
        experiment["models"],
        [[_cell(counts[row][model]) for model in experiment["models"]] for row in rows],
    )


def _cell(states: Counter) -> Cell:
    return Cell(states[DONE], states[RUNNING], states.total())


# --- In words ---------------------------------------------------------------------------------


def report(grids: Sequence[Grid], states: States, epochs: Mapping[str, tuple[int, int] | None], marks: Marks) -> str:
    """All grids as text, totals, and the trainings that run with their finished epochs."""
    if not grids:
        return "No experiment is configured."
    interrupted = sum(state == INTERRUPTED for state in [*states.trainings.values(), *states.predictions.values()])
    paragraphs = [*(as_text(grid) for grid in grids), totals(states)]
    if running := [training for training, state in states.trainings.items() if state == RUNNING]:
        paragraphs.append("\n".join(["training now:", *(f"  {t}{_epochs(epochs.get(t))}" for t in running)]))
    if interrupted:
        paragraphs.append(
            f"{interrupted} interrupted: no Snakemake holds this directory any more, so what they had begun counts as"
            " missing, and\nthe next run does it again (a training from its last finished epoch on)."
        )
    if marks.held and RUNNING in {*states.trainings.values(), *states.predictions.values()}:
        paragraphs.append(
            "Running means that a Snakemake holds this directory. If there is none on any machine, it was killed, and"
            " nothing runs:\n`snakemake --unlock` lets the next one in."
        )
    return "\n\n".join(paragraphs)


def _epochs(epochs: tuple[int, int] | None) -> str:
    return f"  {epochs[0]} of {epochs[1]} epochs" if epochs else ""


def as_text(grid: Grid) -> str:
    """One grid as aligned text, a title above."""
    lines = [(*grid.header, *grid.models)]
    lines += [(*row, *map(str, cells)) for row, cells in zip(grid.rows, grid.cells, strict=True)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join([f"{grid.experiment}: repetitions done/all, +running", *(line.rstrip() for line in aligned)])


def totals(states: States) -> str:
    """How many trainings and predictions are done, running and missing."""
    return "\n".join(
        f"{name}: {_total(of_jobs)}"
        for name, of_jobs in (("trainings", states.trainings), ("predictions", states.predictions))
    )


def _total(of_jobs: Mapping) -> str:
    count = Counter(of_jobs.values())
    missing = count[MISSING] + count[INTERRUPTED]
    return f"{count[DONE]} of {len(of_jobs)} done, {count[RUNNING]} running, {missing} missing"
