"""A trained model as a folder that is whole by itself."""

import os
import shutil
from pathlib import Path

import torch

from ser.core import integrity
from ser.core.errors import UserError
from ser.deploy.label import Classifier
from ser.deploy.model_card import model_card
from ser.deploy.trained import Trained, open_trained

CARD = "README.md"


def export(trained: Trained, folder: str | os.PathLike) -> None:
    """Copy all that a run's model needs into a new folder, with a manifest and a model card.

    The folder appears when it is whole and has been loaded once, or not at all. Raises `UserError` if it exists, or the
    run is an exported one itself.
    """
    if trained.exported:
        raise UserError(f"{trained.folder} is an exported run already: copy the folder")
    folder = Path(os.path.abspath(folder))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists: name a folder that does not")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    temporary.mkdir(parents=True)
    try:
        for name, path in trained.files.items():
            (temporary / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, temporary / name)
        integrity.write_manifest(temporary, trained.files)
        (temporary / CARD).write_text(model_card(trained), encoding="utf-8")
        Classifier(open_trained(temporary), torch.device("cpu"))
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
