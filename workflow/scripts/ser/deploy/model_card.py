"""Model card: architecture, training data, scores and licences."""

import os
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE  # English names to ISO 639-1

from ser.core.encoder_paths import encoder_name
from ser.core.files import read_json, read_rows
from ser.core.paths import ROOT
from ser.corpora import download
from ser.deploy.trained import TrainedModel
from ser.evaluation import scores
from ser.models import pretraining_data
from ser.snakemake_support import provenance


def model_card(trained: TrainedModel) -> str:
    """Return a run's card in Markdown, with metadata for the Hugging Face Hub.

    Scores come from the run's existing predictions, unless they are older than its weights.
    """
    record = trained.record
    corpora = [_corpus(trained.directory, corpus, "source") for corpus in record["corpora"]]
    if record["shots"] and record["target"] not in record["corpora"]:
        corpora.append(_corpus(trained.directory, record["target"], "target"))
    scored = scores_of_run(trained)
    tested = [
        _corpus(trained.directory, target, "tested on")
        for target in dict.fromkeys(row["target"] for row in scored)
        if target not in {corpus["name"] for corpus in corpora}
    ]
    environment = Environment(
        loader=FileSystemLoader(ROOT / "workflow" / "report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    card = environment.get_template("model_card.md").render(
        front_matter=front_matter(trained, corpora, scored).to_yaml(),
        record=record,
        training=record["settings"]["training"],
        encoder=_encoder(trained),
        corpora=corpora,
        scores=scored,
        notes=_notes(trained, [*corpora, *tested]),
        commit=_commit(),
    )
    return f"{card}\n"


def front_matter(trained: TrainedModel, corpora: list[dict], scored: list[dict]) -> ModelCardData:
    """Return the metadata for the Hugging Face Hub."""
    model = trained.model
    languages = [corpus["language"].lower() for corpus in corpora]
    codes = [TO_LANGUAGE_CODE[language] for language in languages if language in TO_LANGUAGE_CODE]
    published = "revision" in model and model["weights"] == "pretrained"
    results = [
        EvalResult(
            task_type="audio-classification",
            task_name="Speech emotion recognition",
            dataset_type=row["target"],
            dataset_name=row["target"],
            dataset_config=row["condition"],
            dataset_split=row["test_set"],
            metric_type=kind,
            metric_name=name,
            metric_value=round(float(row[column]), 2),
        )
        for row in scored
        for kind, name, column in (("recall", "UAR, %", "uar"), ("accuracy", "Accuracy, %", "accuracy"))
    ]
    return ModelCardData(
        language=list(dict.fromkeys(codes)) or None,
        license="other",
        license_name="of-corpora-and-checkpoint",
        license_link="README.md",
        base_model=model["checkpoint"] if published else None,
        pipeline_tag="audio-classification",
        tags=["speech-emotion-recognition", "cross-lingual", model["family"]],
        metrics=["recall", "accuracy"],
        model_name=f"{trained.record['model']}-{trained.record['source']}",
        eval_results=results or None,
    )


def scores_of_run(trained: TrainedModel) -> list[dict]:
    """Score a run's predictions, unless they are older than its weights."""
    file, seed = trained.directory / trained.run.predictions, trained.run.seed
    if not file.exists() or file.stat().st_mtime < os.stat(trained.weights).st_mtime:
        return []
    splits = sorted(trained.directory.glob(f"results/splits/*/seed{seed}/target.csv"))
    rows = read_rows(file)
    targets = {row["target"] for row in rows} & {path.parts[-3] for path in splits}
    conditions = {row["condition"] for row in rows}
    corpora = trained.directory / "results" / "corpora"
    utterances = {target: read_rows(corpora / target / "utterances.csv") for target in targets}
    (training,) = scores.read_training([trained.folder / "run.json"]).values()
    predictions = scores.read_predictions([file], splits, utterances, conditions)
    scored = [row for one in predictions for row in scores.score(one, utterances[one.target], training, {})]
    return sorted(scored, key=scores.sort_key)


def _corpus(directory: Path, name: str, role: str) -> dict:
    folder = directory / "results" / "corpora" / name
    rows, archive = read_rows(folder / "utterances.csv"), read_json(folder / "archive.json")
    source = download.published()["corpora"].get(archive["format"])
    verification = archive["verification"]
    unverified = verification["level"] == "none"
    licence = "its creator's licence; it is not a published corpus known to the workflow."
    if source:
        licence = download.licence_notice(source)
        if unverified:
            licence = f"not verified to be a published corpus. If it is the one with this layout, {licence}"
    return {
        "name": name,
        "role": role,
        "language": read_json(audit)["language"] if (audit := folder / "audit.json").is_file() else "unknown language",
        "speakers": len({row["speaker"] for row in rows}),
        "notes": ["not verified to be the published recordings"] * unverified + verification["notes"],
        "licence": f"{name}: {licence}",
    }


def _encoder(trained: TrainedModel) -> dict | None:
    if trained.encoder is None:
        return None
    model = trained.model | _copied(trained)
    parameters = ", ".join(f"{key} {value}" for key, value in model["tuning"].items() if key != "method")
    facts = pretraining_data.facts(model)
    data = "none (random weights)" if model["weights"] == "random" else facts.get("data", "unknown")
    return {
        "where": _checkpoint(model),
        "data": f"{data}, {facts['hours']} h" if "hours" in facts else data,
        "tuning": f"{model['tuning']['method']}{f' ({parameters})' if parameters else ''}",
    }


def _copied(trained: TrainedModel) -> dict:
    """Return the model's `copy_of`, which is not in the run's record, as configured when provenance was recorded."""
    configured = _provenance(trained).get("config", {}).get("models", {}).get(trained.run.model, {})
    same = configured.get("checkpoint") == trained.model.get("checkpoint")
    return {"copy_of": configured["copy_of"]} if same and "copy_of" in configured else {}


def _provenance(trained: TrainedModel) -> dict:
    record = trained.directory / "results" / "provenance.json"
    return read_json(record) if record.exists() else {}


def _checkpoint(model: dict) -> str:
    if "copy_of" in model:
        return f"a local copy of [{model['copy_of']}](https://huggingface.co/{model['copy_of']})"
    if "revision" not in model:
        return f"{encoder_name(model)}, a local folder"
    return f"[{model['checkpoint']}](https://huggingface.co/{model['checkpoint']}) at revision {model['revision']}"


def _commit() -> str | None:
    state = provenance.commit()
    return f"{state['commit']}, with uncommitted changes" if state["dirty"] else state["commit"]


def _notes(trained: TrainedModel, corpora: list[dict]) -> list[str]:
    notes = [f"{corpus['name']}: {'; '.join(corpus['notes'])}." for corpus in corpora if corpus["notes"]]
    label = _provenance(trained).get("label")
    return [f"{label}.", *notes] if label else notes
