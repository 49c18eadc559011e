"""The user's own copies of corpora, noise and checkpoints: where the configuration says that they are."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ser import configuration, encoders, experiments
from ser.speech import is_made_by_demo


def refuse_missing(config: Mapping) -> None:
    """Raise `UserError` naming every copy that experiments need and that is not where the configuration says.

    What was made of a copy outlives it: a corpus that is ingested may be archived.

    Args:
        config: the whole configuration; its relative paths are the working directory's.
    """
    if problems := [*_corpora(config), *_noise(config), *_checkpoints(config)]:
        configuration.refuse(problems)


def noise_archive(folder: Path, environment: str) -> Path:
    """An environment's archive in a folder, or the file that stands for its unpacked folder if that is there."""
    archive, unpacked = folder / f"{environment}_16k.zip", folder / environment / "ch01.wav"
    return unpacked if unpacked.exists() and not archive.exists() else archive


def _corpora(config: Mapping) -> Iterator[str]:
    for name in experiments.used_corpora(config):
        path = config["corpora"][name]["path"]
        ingested = Path("results/corpora", name, "utterances.csv")
        if path is None or _is_there(Path(path)) or ingested.exists():
            continue
        named = "the CSV of your corpus" if config["corpora"][name]["format"] == "table" else "your folder or archive"
        yield f"corpora.{name}.path: {_nowhere(path)}: {named}"


def _noise(config: Mapping) -> Iterator[str]:
    if config["noise"]["path"] is None:
        return
    folder = Path(config["noise"]["path"])
    for environment in _environments(config):
        if not _is_there(noise_archive(folder, environment)):
            yield (
                f"noise.path: {folder} holds neither {environment}_16k.zip nor {environment}/ch01.wav; correct it, or"
                " set it to null to download"
            )


def _environments(config: Mapping) -> list[str]:
    """Noise environments that are still to be mixed with some experiment's targets."""
    found: dict[str, None] = {}
    noisy = [entry for entry in config["experiments"].values() if entry and "condition" in entry]
    for experiment in noisy:
        condition = experiment["condition"]
        mixed = [Path("results/corpora", target, condition, "audio.npy") for target in experiment["targets"]]
        if not all(path.exists() for path in mixed):
            found |= dict.fromkeys(config["conditions"][condition]["environments"])
    return list(found)


def _checkpoints(config: Mapping) -> Iterator[str]:
    used = {model for experiment in config["experiments"].values() if experiment for model in experiment["models"]}
    for name, model in config["models"].items():
        checkpoint = model.get("checkpoint")
        if name not in used or not checkpoint or not configuration.is_local(checkpoint):
            continue
        kept = Path(encoders.folder(model), "model.safetensors")
        if not (_is_there(Path(checkpoint)) or kept.exists()):
            yield f"models.{name}.checkpoint: {_nowhere(checkpoint)}: a folder in Hugging Face format"


def _is_there(path: Path) -> bool:
    return path.exists() or is_made_by_demo(path)


def _nowhere(path: str) -> str:
    return f"{path} does not exist; correct it, absolute or relative to {Path.cwd()}"
