"""Model families: the modules of a model, its input and its training (CONTRIBUTING.md explains how to add one).

A model's module has `build(settings, encoder)`, which returns an `EmotionClassifier`.

All models with an encoder share the module `encoder_classifier`, or `frozen_head` if it is frozen. The module of the
encoder's family has `FAMILY`, an `EncoderFamily`.

These modules are imported by a computed name, so a rule names them among the sources of its job.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ser.core.encoder_paths import pooled_name

WITHOUT_ENCODER = ("cnn-lstm", "svm")


@dataclass(frozen=True)
class Family:
    """Modules, input and training of a model.

    Args:
        modules: names of the modules that build the model; the first one has `build(settings, encoder)`.
        frames: file with the model's input, in the folder of a corpus and condition.
        trainer: name of the module with `fine_tune`.
        step: what a row of its training history is.
        uses_gpu: whether it can be trained on a GPU.
    """

    modules: tuple[str, ...]
    frames: str
    trainer: str = "ser.training.loop"
    step: str = "epoch"
    uses_gpu: bool = True

    def fine_tune(self, *arguments, **options):
        """Train the model; see `ser.training.loop.fine_tune`."""
        return import_module(self.trainer).fine_tune(*arguments, **options)


def of(model: Mapping) -> Family:
    """Return the family of a model's entry in the configuration."""
    if is_frozen(model):
        return Family(("ser.models.frozen_head",), f"pooled/{pooled_name(model)}.npy")
    match model["family"]:
        case "cnn-lstm":
            return Family(("ser.models.cnn_lstm",), "log_mel.npy")
        case "svm":
            features = f"functionals/{model['features']}.npy"
            return Family(("ser.models.svm",), features, "ser.training.svm", step="value of C", uses_gpu=False)
        case family:
            return Family(("ser.models.encoder_classifier", encoder_module(family)), "audio.npy")


def build(model: Mapping, encoder=None, whole: bool = False):
    """Return the `EmotionClassifier` of a model's entry in the configuration.

    Args:
        encoder: folder of its encoder, if it has one.
        whole: whether to include a frozen encoder, instead of reading its output.
    """
    module = "ser.models.encoder_classifier" if whole and is_frozen(model) else of(model).modules[0]
    return import_module(module).build(model, encoder)


def folder_of(files: Sequence[str]) -> Path | None:
    """Return the folder of an encoder's files, or None without an encoder."""
    return Path(files[0]).parent if files else None


def is_frozen(model: Mapping) -> bool:
    """Return whether a model is a classification head on the vectors of a frozen encoder."""
    return model.get("tuning", {}).get("method") == "frozen"


def has_encoder(model: Mapping) -> bool:
    """Return whether a model's family starts from an encoder."""
    return model["family"] not in WITHOUT_ENCODER


def encoder_family(family: str):
    """Return the `EncoderFamily` of a model's family."""
    return import_module(encoder_module(family)).FAMILY


def encoder_module(family: str) -> str:
    """Return the name of the module of a family with an encoder."""
    return f"ser.models.{family.replace('-', '_')}"
