"""A trained model where it lies: a finished run of the workflow, or a folder that one was exported to."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ser.config import validation
from ser.core import integrity
from ser.core.errors import UserError, listing
from ser.core.files import read_json
from ser.core.integrity import sha256
from ser.core.paths import ENCODER_FILES, RunId, encoder_folder

OWN_FILES = ("weights.safetensors", "run.json", "history.csv")
IDENTITY = {"model", "source", "target", "shots", "seed"}  # what a run's record says that it is
ENCODER = "encoder"  # an exported run's folder of its encoder
ENCODER_WEIGHTS = ENCODER_FILES[0]


@dataclass(frozen=True)
class Trained:
    """A trained model's files, all of them there, and its record."""

    folder: Path
    record: dict  # run.json
    model: dict  # its entry of the configuration, complete
    encoder: Path | None  # the folder of the encoder that it starts from, if there is one
    exported: bool

    @property
    def run(self) -> RunId:
        """Identity of the run."""
        return RunId(**{key: self.record[key] for key in IDENTITY})

    @property
    def name(self) -> str:
        """What it is, in words."""
        target = f" to {self.run.target}, {self.run.shots} shots" if self.run.shots else ""
        return f"{self.run.model}, {self.run.source}{target}, seed {self.run.seed}"

    @property
    def directory(self) -> Path:
        """The working directory of the workflow that a run is of."""
        return self.folder.parents[5]

    @property
    def files(self) -> dict[str, Path]:
        """All that a copy needs to be whole: path in the copy -> where the file is."""
        own = {name: self.folder / name for name in OWN_FILES}
        return own | {f"{ENCODER}/{name}": self.encoder / name for name in _encoder_files(self.model)}


def open_trained(folder: str | os.PathLike) -> Trained:
    """Find a trained model's files, and check that they belong together.

    Args:
        folder: `results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}`, or what a run was exported to.

    Raises `UserError`, naming the folder, if it is neither, is not finished, lacks its encoder or has another one, or
    if its manifest says that it is damaged.
    """
    folder = Path(os.path.abspath(folder))
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: name a run, results/runs/.../seed1, or the folder of an exported one")
    exported = (folder / integrity.NAME).exists()
    checksums = integrity.check_manifest(folder) if exported else {}
    record = _read_record(folder)
    model = validation.recorded_model(record["settings"]["model"])
    if not exported:
        _check_place(folder, record)
    trained = Trained(folder, record, model, _encoder_folder(folder, model, exported), exported)
    if exported and (unlisted := sorted(trained.files.keys() - checksums.keys())):
        raise UserError(f"{folder} is damaged: its {integrity.NAME} does not name {listing(unlisted)}")
    if absent := [str(path) for path in trained.files.values() if not path.is_file()]:
        raise UserError(f"{folder}: {listing(absent)} does not exist: run the workflow again for this model")
    _check_encoder(trained, checksums)
    return trained


def _read_record(folder: Path) -> dict:
    try:
        record = read_json(folder / "run.json")
        if record.keys() >= IDENTITY and isinstance(record["settings"]["model"], dict):
            return record
    except FileNotFoundError:
        raise UserError(
            f"{folder} has no run.json: it is no run, or its training has not finished. A run is a folder"
            " results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        pass
    raise UserError(f"{folder}: its run.json is no record of a run")


def _check_place(folder: Path, record: dict) -> None:
    """A run is found by its name: anywhere else it would be without its encoder, or with another's."""
    place = RunId(**{key: record[key] for key in IDENTITY}).folder
    if not folder.as_posix().endswith(f"/{place}"):
        raise UserError(
            f"{folder} holds the run of {place}, but does not lie there. To take a run elsewhere, export it:"
            " python workflow/scripts/export.py RUN FOLDER"
        )


def _encoder_folder(folder: Path, model: dict, exported: bool) -> Path | None:
    if model["family"] == "cnn-lstm":
        return None
    return folder / ENCODER if exported else folder.parents[5] / encoder_folder(model)


def _encoder_files(model: dict) -> tuple[str, ...]:
    """What of its encoder a trained model needs: where everything was trained, not the weights."""
    if model["family"] == "cnn-lstm":
        return ()
    return ENCODER_FILES[1:] if model["weights"] == "random" else ENCODER_FILES


def _check_encoder(trained: Trained, checksums: dict[str, str]) -> None:
    """What was trained on one encoder loads onto another of the same shape, and would label at random."""
    name = f"{ENCODER}/{ENCODER_WEIGHTS}"
    if name in trained.files:
        weights = trained.files[name]
        if "encoder_sha256" not in trained.record:
            raise UserError(
                f"{trained.folder} was trained by an older version of the workflow, which did not record its encoder's"
                " checksum: run the workflow again for this model"
            )
        if (checksums.get(name) or sha256(weights)) != trained.record["encoder_sha256"]:
            raise UserError(
                f"{weights} is not the encoder that {trained.folder} was trained on, or is damaged: run the workflow"
                " again for this model"
            )
