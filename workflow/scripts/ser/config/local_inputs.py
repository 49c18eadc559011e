"""Local copies of corpora, noise and checkpoints that the configuration names."""

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

from ser.config import validation
from ser.config.experiments import Experiments
from ser.core.encoder_paths import encoder_folder
from ser.core.errors import UserError
from ser.core.files import files_under, read_json
from ser.corpora import download, formats
from ser.corpora.formats import csv_table

WEIGHTS = (  # of a checkpoint, in the order in which transformers looks for them
    ("model.safetensors",),
    ("model.safetensors.index.json", "model-*.safetensors"),
    ("pytorch_model.bin",),
    ("pytorch_model.bin.index.json", "pytorch_model-*.bin"),
)


def check_local_inputs(config: Mapping) -> None:
    """Raise `UserError` listing the local inputs that are needed and do not exist.

    A checkpoint is no longer needed once it is converted, nor a corpus once it is ingested with these settings.

    Args:
        config: the whole configuration; relative paths start at the working directory.
    """
    if problems := [f"{problem}. {remedy}" for problem, remedy, has_results in _missing(config) if not has_results]:
        validation.raise_problems(problems)


def missing_with_results(config: Mapping) -> list[str]:
    """Return messages about local inputs that do not exist, but whose results do."""
    return [problem for problem, _, has_results in _missing(config) if has_results]


def _missing(config: Mapping) -> Iterator[tuple[str, str, bool]]:
    """Yield the problem and remedy for each missing local input, and whether its results exist."""
    yield from _corpora(config)
    yield from _noise(config)
    yield from _checkpoints(config)


def is_made_by_demo(path: str | Path | None) -> bool:
    """Return whether a file is created by the demo."""
    return Path(path or "").parts[:2] == ("resources", "demo")


def noise_archive(folder: Path, environment: str) -> Path:
    """Return an environment's archive, or the audio of its unpacked folder."""
    archive, unpacked = folder / f"{environment}_16k.zip", folder / environment / "ch01.wav"
    return unpacked if unpacked.exists() and not archive.exists() else archive


def checkpoint_files(folder: Path) -> list[Path]:
    """Return the files that transformers reads of a local checkpoint; none without configuration or weights."""
    weights = next((names for names in WEIGHTS if (folder / names[0]).exists()), ())
    if not (weights and (folder / "config.json").exists()):
        return []
    patterns = ("config.json", "*processor_config.json", "adapter_config.json", *weights)
    return sorted(path for pattern in patterns for path in folder.glob(pattern))


def ingestion_settings(corpus: Mapping) -> dict:
    """Return the settings of a corpus's entry that decide what ingestion makes of its archive."""
    return {key: value for key, value in corpus.items() if key not in ("path", "url", "language")}


def _corpora(config: Mapping) -> Iterator[tuple[str, str, bool]]:
    for name in Experiments(config).corpora():
        entry = config["corpora"][name]
        path, ingested = entry["path"], Path("results/corpora", name, "utterances.csv").exists()
        if path is None or is_made_by_demo(Path(path)):
            continue
        if not Path(path).exists():
            expected = "the CSV of your corpus" if entry["format"] == "table" else "your folder or archive"
            problem, remedy = f"corpora.{name}.path: {path} does not exist", _set_it_to(expected)
            # Snakemake would use what is there: without its input, it does not compare a job's settings
            if changed := ingested and not _is_ingested_with(ingestion_settings(entry), name):
                problem += f", and {name} was ingested with other settings or an earlier version of the workflow"
                remedy += f", or undo the edit of corpora.{name}"
            yield problem, remedy, ingested and not changed
        elif entry["format"] == "table" and Path(path).is_dir():
            yield f"corpora.{name}.path: {path} is a folder", _set_it_to("the CSV of your corpus"), False
        elif ingested and (problem := _without_recordings(entry)):
            remedy = "Restore the recordings, or remove the path too: what was already made from them is then used"
            yield f"corpora.{name}.path: {problem}", remedy, False


def _is_ingested_with(settings: Mapping, corpus: str) -> bool:
    path = Path("results/corpora", corpus, "archive.json")
    return path.exists() and read_json(path).get("settings") == settings


def _without_recordings(entry: Mapping) -> str | None:
    """Return what is missing from a folder or CSV that exists, or None."""
    path = Path(entry["path"])
    try:
        if entry["format"] == "table":
            absent = next((file for file in csv_table.audio_files(path) if not file.exists()), None)
            return f"{path} lists {absent}, which does not exist" if absent else None
        if path.is_dir() and not any(formats.is_used(entry["format"], file.as_posix()) for file in files_under(path)):
            return f"{path} contains none of the corpus's files"
    except UserError:  # ingestion reports what is wrong
        return None
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    return None


def _noise(config: Mapping) -> Iterator[tuple[str, str, bool]]:
    if config["noise"]["path"] is None:
        return
    folder = Path(config["noise"]["path"])
    used = {entry["condition"] for entry in config["experiments"].values() if entry and "condition" in entry}
    environments = [config["conditions"][condition]["environments"] for condition in sorted(used)]
    for environment in dict.fromkeys(chain.from_iterable(environments)):
        archive = noise_archive(folder, environment)
        if not (archive.exists() or is_made_by_demo(archive)):
            yield (
                f"noise.path: {folder} holds neither {environment}_16k.zip nor {environment}/ch01.wav",
                "Correct the path, or set it to null to download",
                False,
            )


def _checkpoints(config: Mapping) -> Iterator[tuple[str, str, bool]]:
    used = {model for experiment in config["experiments"].values() if experiment for model in experiment["models"]}
    seen = set()
    for name, model in config["models"].items():
        checkpoint = model.get("checkpoint")
        if name not in used or not checkpoint or checkpoint in seen or "revision" in model:
            continue
        seen.add(checkpoint)
        folder, converted = Path(checkpoint), Path(encoder_folder(model), "model.safetensors").exists()
        if is_made_by_demo(folder) or checkpoint_files(folder):
            continue
        remedy = _set_it_to("a folder in Hugging Face format")
        if not (folder / "config.json").exists():
            missing = "has no config.json" if folder.exists() else "does not exist"
            remedy += "; if it is a Hugging Face repository, set `revision` to one of its commits"
            yield f"models.{name}.checkpoint: {checkpoint} {missing}", remedy, converted
        else:
            if converted:
                remedy = "Restore them, or remove the folder too: what was already made from it is then used"
            yield f"models.{name}.checkpoint: {checkpoint} has no weights", remedy, False


def _set_it_to(expected: str) -> str:
    return f"Set it to {expected}, absolute or relative to {Path.cwd()}"


def download_refusal(corpus: str, entry: dict) -> str | None:
    """Return why a corpus without `path` cannot be downloaded, or None."""
    source = download.corpus_source(entry)
    if source.get("url"):
        return None
    return (
        f"corpora.{corpus}.path is not set, and {source['title']} cannot be downloaded: it is {source['licence']}."
        f" Request it at {source['homepage']}, then set corpora.{corpus}.path in the configuration to your copy"
        f" ({source['copy']}). To run without it, remove it from the experiments' sources and targets, or use RAVDESS"
        " in its place (config/open.yaml)."
    )
