"""The user's own copies of corpora, noise and checkpoints: where the configuration says that they are."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ser.config import validation
from ser.config.experiments import Experiments
from ser.core.paths import encoder_folder, is_made_by_demo
from ser.corpora import download


def refuse_missing(config: Mapping) -> None:
    """Raise `UserError` naming every copy that experiments need, that is not where the configuration says.

    What was made of a copy outlives it: a corpus that is ingested may be archived.

    Args:
        config: the whole configuration; its relative paths are the working directory's.
    """
    if problems := [text for text, outlived in _absent(config) if not outlived]:
        validation.refuse(problems)


def outlived(config: Mapping) -> list[str]:
    """Copies that are not where the configuration says, which nothing needs any more; or there is a mistake in it."""
    return [f"{text}. What was made of it before is used." for text, outlived in _absent(config) if outlived]


def _absent(config: Mapping) -> Iterator[tuple[str, bool]]:
    """What is not there, and whether all that is made of it is."""
    yield from _corpora(config)
    yield from _noise(config)
    yield from _checkpoints(config)


def noise_archive(folder: Path, environment: str) -> Path:
    """An environment's archive in a folder, or the file that stands for its unpacked folder if that is there."""
    archive, unpacked = folder / f"{environment}_16k.zip", folder / environment / "ch01.wav"
    return unpacked if unpacked.exists() and not archive.exists() else archive


def _corpora(config: Mapping) -> Iterator[tuple[str, bool]]:
    for name in Experiments(config).corpora():
        path = config["corpora"][name]["path"]
        if path is None or _is_there(Path(path)):
            continue
        named = "the CSV of your corpus" if config["corpora"][name]["format"] == "table" else "your folder or archive"
        ingested = Path("results/corpora", name, "utterances.csv")
        yield f"corpora.{name}.path: {_nowhere(path)}: {named}", ingested.exists()


def _noise(config: Mapping) -> Iterator[tuple[str, bool]]:
    if config["noise"]["path"] is None:
        return
    folder = Path(config["noise"]["path"])
    for environment, mixed in _environments(config).items():
        if not _is_there(noise_archive(folder, environment)):
            yield (
                f"noise.path: {folder} holds neither {environment}_16k.zip nor {environment}/ch01.wav; correct it, or"
                " set it to null to download",
                mixed,
            )


def _environments(config: Mapping) -> dict[str, bool]:
    """Noise environments that experiments use, and whether each is mixed with all their targets."""
    found: dict[str, bool] = {}
    noisy = [entry for entry in config["experiments"].values() if entry and "condition" in entry]
    for experiment in noisy:
        condition = experiment["condition"]
        mixed = [Path("results/corpora", target, condition, "audio.npy") for target in experiment["targets"]]
        for environment in config["conditions"][condition]["environments"]:
            found[environment] = found.get(environment, True) and all(path.exists() for path in mixed)
    return found


def _checkpoints(config: Mapping) -> Iterator[tuple[str, bool]]:
    used = {model for experiment in config["experiments"].values() if experiment for model in experiment["models"]}
    for name, model in config["models"].items():
        checkpoint = model.get("checkpoint")
        if name not in used or not checkpoint or not validation.is_local(checkpoint):
            continue
        if not _is_there(Path(checkpoint)):
            kept = Path(encoder_folder(model), "model.safetensors")
            yield f"models.{name}.checkpoint: {_nowhere(checkpoint)}: a folder in Hugging Face format", kept.exists()


def _is_there(path: Path) -> bool:
    return path.exists() or is_made_by_demo(path)


def _nowhere(path: str) -> str:
    return f"{path} does not exist; correct it, absolute or relative to {Path.cwd()}"


def download_refusal(corpus: str, entry: dict) -> str | None:
    """Return why a corpus without a `path` cannot be downloaded, and what to do; None if it can."""
    source = download.corpus_source(entry)
    if source.get("url"):
        return None
    return (
        f"corpora.{corpus}.path is not set, and {source['title']} may not be downloaded: it is {source['licence']}."
        f" Ask for it at {source['homepage']}, then set corpora.{corpus}.path in the configuration to your copy"
        f" ({source['copy']}). To run without it, take it out of the experiments' sources and targets, or run the open"
        " variant (config/open.yaml)."
    )
