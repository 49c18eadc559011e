"""Trained models on disk: finished training runs and exported models."""

import os
from dataclasses import dataclass
from pathlib import Path

from ser.config import validation
from ser.core.encoder_paths import ENCODER_FILES, encoder_folder
from ser.core.errors import UserError, listing
from ser.core.files import read_json, sha256
from ser.core.paths import RunId
from ser.models import families
from ser.training.calibration import Calibration

WEIGHTS = "weights.safetensors"
OWN_FILES = (WEIGHTS, "run.json", "history.csv")
CALIBRATION = "calibration.safetensors"  # exported too, if it exists
IDENTITY = {"model", "source", "target", "shots", "seed"}  # keys of run.json that identify a run
ENCODER = "encoder"  # subfolder of an exported model
ENCODER_WEIGHTS = ENCODER_FILES[0]


@dataclass(frozen=True)
class TrainedModel:
    """Trained model: its record and the location of its files."""

    folder: Path
    record: dict  # run.json
    model: dict  # its complete entry in the configuration
    encoder: Path | None  # folder of its encoder, if it has one
    exported: bool

    @property
    def run(self) -> RunId:
        """Identity of the run."""
        return RunId(**{key: self.record[key] for key in IDENTITY})

    @property
    def directory(self) -> Path:
        """Working directory of the workflow that trained the model."""
        return self.folder.parents[5]

    @property
    def calibration(self) -> Calibration:
        """Calibration to adapt its predictions with. Raises `UserError` if it was not computed."""
        path = self.folder / CALIBRATION
        if not path.exists():
            action = (
                "compute it where the model was trained, and export it again"
                if self.exported
                else f"run `snakemake {path.relative_to(self.directory)}` with your usual options after it"
            )
            raise UserError(f"{self.folder} has no {CALIBRATION}, which --adapt needs: {action}")
        return Calibration.load(path, self.weights)

    @property
    def weights(self) -> Path:
        """File of the trained weights."""
        return self.folder / WEIGHTS

    @property
    def files(self) -> dict[str, Path]:
        """Files to export: path in the exported folder -> present path."""
        own = {name: self.folder / name for name in OWN_FILES}
        if (self.folder / CALIBRATION).exists():
            own[CALIBRATION] = self.folder / CALIBRATION
        return own | {f"{ENCODER}/{name}": self.encoder / name for name in _encoder_files(self.model)}


def open_trained(folder: str | os.PathLike) -> TrainedModel:
    """Find a trained model's files, and check that they are complete and consistent.

    Args:
        folder: `results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}`, or an exported model.

    Raises `UserError` if the folder is neither, if training has not finished, if a file is missing, or if weights
    differ from those of the training.
    """
    folder = Path(os.path.abspath(folder))
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: pass a run's folder, results/runs/.../seed1, or an exported model")
    record = _read_record(folder)
    model = validation.recorded_model(record["settings"]["model"])
    path = RunId(**{key: record[key] for key in IDENTITY}).folder
    exported = not folder.as_posix().endswith(f"/{path}")
    trained = TrainedModel(folder, record, model, _encoder_folder(folder, model, exported), exported)
    if absent := [file for file in trained.files.values() if not file.is_file()]:
        raise UserError(f"{folder}: {_remedy(trained, absent, path)}.")
    _check_weights(trained)
    return trained


def _read_record(folder: Path) -> dict:
    try:
        record = read_json(folder / "run.json")
        if record.keys() >= IDENTITY and isinstance(record["settings"]["model"], dict):
            return record
    except FileNotFoundError:
        raise UserError(
            f"{folder} has no run.json: it is not a training run, or training has not finished. Pass a folder"
            " results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}"
        ) from None
    except (KeyError, TypeError, AttributeError):
        pass
    raise UserError(
        f"{folder}: its run.json is not the record of a training run. Delete the file and run Snakemake again; if it is"
        " an exported model, export it again."
    )


def _remedy(trained: TrainedModel, absent: list[Path], path: str) -> str:
    """Return which files are missing, and what to do."""
    if not trained.exported:
        names = [file.relative_to(trained.directory) for file in absent]
        return f"{listing(names)} does not exist. Run `snakemake {names[0]}` with your usual options after it"
    names = [file.relative_to(trained.folder) for file in absent]
    return (
        f"{listing(names)} does not exist. If this is an exported model, copy or export it again. If this is the run"
        f" {path}, which was moved, move it back, and export it: python workflow/scripts/export.py RUN FOLDER"
    )


def _encoder_folder(folder: Path, model: dict, exported: bool) -> Path | None:
    if not families.has_encoder(model):
        return None
    return folder / ENCODER if exported else folder.parents[5] / encoder_folder(model)


def _encoder_files(model: dict) -> tuple[str, ...]:
    """Return the encoder files to export; no weights if everything was trained."""
    if not families.has_encoder(model):
        return ()
    return ENCODER_FILES[1:] if model["weights"] == "random" else ENCODER_FILES


def _check_weights(trained: TrainedModel) -> None:
    """Raise `UserError` if the weights are not those that training wrote, or its encoder is another one.

    An encoder of the same shape would load, but its predictions would be meaningless.
    """
    for name, key in {WEIGHTS: "weights_sha256", f"{ENCODER}/{ENCODER_WEIGHTS}": "encoder_sha256"}.items():
        if name not in trained.files:
            continue
        if sha256(trained.files[name]) != trained.record.get(key):
            raise UserError(
                f"{trained.files[name]} is damaged, or not that of {trained.folder}. Restore it, or train this run"
                f" again: add `--forcerun {trained.run.folder}/{WEIGHTS}` to your Snakemake command."
            )
