"""Export of a trained model to a self-contained folder."""

import os
import shutil
from pathlib import Path

import torch

from ser.core.errors import UserError
from ser.deploy.label import Classifier
from ser.deploy.model_card import model_card
from ser.deploy.trained import CALIBRATION, TrainedModel, open_trained

CARD = "README.md"


def export(trained: TrainedModel, folder: str | os.PathLike) -> None:
    """Copy a run's model into a new folder, with a model card.

    The folder appears only after its complete copy has been loaded as a test. Raises `UserError` if the folder is not
    empty, if the model is already an exported one, or if its calibration is of other weights.
    """
    if trained.exported:
        raise UserError(f"{trained.folder} is already an exported model: copy the folder instead")
    folder = Path(os.path.abspath(folder))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} already exists: choose a new folder")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    temporary.mkdir(parents=True)
    try:
        for name, path in trained.files.items():
            (temporary / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, temporary / name)
        (temporary / CARD).write_text(model_card(trained), encoding="utf-8")
        Classifier(open_trained(temporary), torch.device("cpu"))
        if CALIBRATION in trained.files:
            _ = trained.calibration  # raises an error if it is of other weights: elsewhere it cannot be computed again
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
