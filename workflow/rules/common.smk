"""The checked configuration, and the helpers that rules share. No rules here."""

import functools
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(str(workflow.current_basedir)).parent / "scripts"))

from ser.config import experiments, local_inputs, validation
from ser.corpora import download, formats
from ser.legacy import quick_planning, reasons
from ser.models import encoders, families
from ser.training import gpus
from ser.snakemake_support.code_hash import code_hash, listing_hash
from ser.corpora.formats import csv_table
from ser.core.errors import UserError
from ser.legacy.estimates import Estimates
from ser.core.files import files_under, sha256
from ser.core.paths import ANY_TARGET, CLEAN, is_made_by_demo

quick_planning.prepare(workflow)
reasons.tell_changes()

try:
    validation.refuse_repeated_keys(workflow.configfiles)
    config = validation.load(config)
    if workflow.is_main_process:  # a node of a cluster need not see what was read before
        local_inputs.refuse_missing(config)
except UserError as error:
    raise WorkflowError(str(error)) from None


def names(entries):
    """A wildcard constraint that admits these names and nothing else."""
    return "|".join(map(re.escape, entries)) or "(?!)"


wildcard_constraints:
    corpus=names(config["corpora"]),
    source=names(config["corpora"]),
    target=names([*config["corpora"], ANY_TARGET]),
    model=names(config["models"]),
    condition=names(config["conditions"]),
    experiment=names(experiments.EXPERIMENTS),
    shots=r"\d+",
    seed=r"\d+",


# --- What a rule depends on -------------------------------------------------------------------


def uses(script, *more, **values):
    """A rule's one param: the settings it uses, key-sorted, and a hash of the code it runs.

    `more` names sources that the script loads by a computed name, or data files that ship with the workflow.
    """
    code = code_hash(f"workflow/scripts/{script}", *more)
    return in_key_order({**values, "code": code})


def figure_settings(module, *more, **values):
    """The one param of a rule whose result a module of `ser.figures` makes."""
    return uses("figure.py", f"workflow/scripts/ser/figures/{module}.py", *more, module=module, **values)


def in_key_order(value):
    """Sort dictionaries at every depth, so that reordering the configuration changes nothing."""
    if isinstance(value, dict):
        return {key: in_key_order(value[key]) for key in sorted(value)}
    return [in_key_order(item) for item in value] if isinstance(value, list) else value


def gpu():
    """GPUs that a job with a model claims."""
    return 0 if config["device"] == "cpu" else 1


estimates = Estimates(config)


def memory_of(rule):
    """Megabytes that a job of a rule asks for, by its model and speech, and more with every attempt.

    Where a job keeps its frames depends on it, what it makes of them does not.
    """
    return lambda wildcards, attempt: estimates.mem_mb(rule, wildcards, attempt)


def minutes_of(rule):
    """Minutes that a job of a rule asks for, likewise."""
    return lambda wildcards, attempt: estimates.minutes(rule, wildcards, attempt)


def limit_jobs_by_gpus():
    """On one machine, run as many jobs with models at a time as there are GPUs, unless `--resources gpu=` says more."""
    on_a_cluster = workflow.resource_settings.nodes is not None
    if gpus.visible() and not on_a_cluster and "gpu" not in workflow.global_resources:
        workflow.register_resource("gpu", gpus.visible())


limit_jobs_by_gpus()


# --- Corpora and noise ------------------------------------------------------------------------


def archive_of(wildcards):
    """A corpus's archive: the user's copy if the configuration names one, else the download."""
    corpus = config["corpora"][wildcards.corpus]
    if corpus["path"] is None:
        return f"resources/corpora/{download.archive_name(wildcards.corpus, corpus)}"
    path = Path(corpus["path"])
    # a folder's time says little of what is in it: its listing is among the settings instead
    literal = str(path).replace("{", "{{").replace("}", "}}")
    return ancient(literal) if path.is_dir() else literal


def downloads():
    """Archives to download, and the first corpus that each serves; a user's own copy is none of them."""
    found = {}
    for name, entry in config["corpora"].items():
        if entry["path"] is None:
            found.setdefault(download.archive_name(name, entry), name)
    return found


def corpus_behind(archive):
    """The first corpus that a downloaded archive serves."""
    return downloads()[archive]


def least_demanding_entry(archive):
    """Of the corpora that an archive serves, the one that is content with most."""
    entries = [e for name, e in config["corpora"].items() if download.archive_name(name, e) == archive]
    return min((e for e in entries if e["path"] is None), key=lambda e: ("none", "names", "sha256").index(e["verify"]))


def source_behind(archive):
    """Where a downloaded archive is published."""
    return download.corpus_source(config["corpora"][corpus_behind(archive)])


def refusal_of(corpus):
    """Why a corpus cannot be downloaded, or None."""
    return download.refusal(corpus, config["corpora"][corpus])


def corpus_settings(wildcards):
    """What of a corpus's entry decides the outcome of ingestion, with the names and sizes of files beyond its input."""
    entry = config["corpora"][wildcards.corpus]
    kept = {key: value for key, value in entry.items() if key not in ("path", "url")}
    if beyond := files_beyond_input(entry):
        kept["listing"] = listing_hash(beyond)
    if entry["format"] == "table" and Path(entry["path"]).is_file():
        kept["table"] = sha256(entry["path"])  # a CSV that takes its place may be older
    return uses("corpus.py", *formats.sources(entry["format"]), **kept)


def files_beyond_input(entry):
    """Files that a corpus's path stands for: all in a folder, or the audio that a table names."""
    if entry["format"] == "table":
        try:
            return csv_table.audio_files(entry["path"])
        except UserError:  # ingestion will say what is wrong with the table
            return []
    try:
        return list(files_under(entry["path"])) if entry["path"] and Path(entry["path"]).is_dir() else []
    except OSError:  # as it will of the folder
        return []


def noise_archives(wildcards):
    """Archives, or unpacked folders, of a condition's environments, in the configuration's order."""
    folder = config["noise"]["path"]
    environments = config["conditions"][wildcards.condition]["environments"]
    if folder is None:
        return [f"resources/noise/{environment}_16k.zip" for environment in environments]
    return [str(local_inputs.noise_archive(Path(folder), environment)) for environment in environments]


# --- Models and runs --------------------------------------------------------------------------


def model_settings(name):
    """What of a model's entry makes the model: not its title, nor how it is trained."""
    entry = config["models"][name]
    return {key: value for key, value in entry.items() if key not in ("title", "training")}


@functools.cache
def finetune_settings(model):
    """What decides the outcome of a model's trainings, beyond their inputs: the same for all of them."""
    training = config["models"][model]["training"]
    return uses("finetune.py", family_source(model), model=model_settings(model), training=training)


@functools.cache
def predict_settings(model):
    """What decides the outcome of a model's predictions, beyond their inputs."""
    return uses("predict.py", family_source(model), model=model_settings(model), **config["prediction"])


def encoder_settings(entry):
    """What of a model's entry makes its encoder give what it gives, but for where the encoder is from."""
    return {key: entry[key] for key in ("family", "weights", "context", "tuning") if key in entry}


def family_source(name):
    """The module of a model's family, which scripts load by a computed name."""
    return families.source(families.name(config["models"][name]))


def frames_of(model, corpus, condition):
    """Where a model's front end finds a corpus in a condition."""
    entry = config["models"][model]
    match families.name(entry):
        case "cnn-lstm":
            front_end = "log_mel.npy"
        case families.FROZEN:
            front_end = f"pooled/{encoders.encoding_name(entry)}.npy"
        case _:
            front_end = "audio.npy"
    return f"results/corpora/{corpus}/{condition}/{front_end}"


def encoder_of(wildcards):
    """What a model needs of the encoder that it starts from: of a frozen one its size, of CNN-LSTM's nothing."""
    entry = config["models"][wildcards.model]
    if families.name(entry) == families.FROZEN:
        return [f"{encoders.folder(entry)}/revision.json"]
    return encoder_inputs(entry)


def encoder_inputs(entry):
    """Weights of the encoder that a model starts from, and the record that has checksums of all its files.

    CNN-LSTM has none. The fewer inputs a job has, the sooner a grid is planned.
    """
    if entry["family"] == "cnn-lstm":
        return []
    return [f"{encoders.folder(entry)}/{name}" for name in ("model.safetensors", "revision.json")]


def frozen_models():
    """For everything that frozen encoders make of a corpus, the first model's entry that trains a head on it."""
    frozen = [entry for entry in config["models"].values() if families.name(entry) == families.FROZEN]
    return {encoders.encoding_name(entry): entry for entry in reversed(frozen)}


def encoder_checkpoint(wildcards):
    """Checkpoint and revision behind an encoder's folder name."""
    for entry in config["models"].values():
        if "checkpoint" in entry and encoders.name(entry) == wildcards.encoder:
            return {key: entry[key] for key in ("checkpoint", "revision", "family") if key in entry}
    raise WorkflowError(f"no model of the configuration starts from encoder {wildcards.encoder}")


def local_checkpoint(wildcards):
    """Files of a checkpoint that is a local folder; a repository's revision pins it instead."""
    folder = Path(encoder_checkpoint(wildcards)["checkpoint"])
    if is_made_by_demo(folder):
        return [str(folder / name) for name in ("config.json", "preprocessor_config.json", "model.safetensors")]
    patterns = ("config.json", "preprocessor_config.json", "model*.safetensors", "pytorch_model*.bin")
    return sorted(str(path) for pattern in patterns for path in folder.glob(pattern))


def target_samples(wildcards):
    """What a run reads of its target: a zero-shot one nothing."""
    if not int(wildcards.shots):
        return {}
    target = wildcards.target
    return {
        "target_frames": frames_of(wildcards.model, target, CLEAN),
        "target_utterances": f"results/corpora/{target}/utterances.csv",
        "target_overlaps": f"results/corpora/{target}/overlaps.csv",
        "target_split": f"results/splits/{target}/seed{wildcards.seed}/target.csv",
        "subset": f"results/fewshot/{target}/{wildcards.shots}-shot/seed{wildcards.seed}.csv",
    }


def run_behind(wildcards):
    """Weights of the run that makes a prediction: a zero-shot run serves every target."""
    target = wildcards.target if int(wildcards.shots) else ANY_TARGET
    return f"results/runs/{{model}}/{{source}}-to-{target}/{{shots}}-shot/seed{{seed}}/weights.safetensors".format(
        **wildcards
    )


# --- Results ----------------------------------------------------------------------------------


@functools.cache
def needed(*names_of_experiments):
    """Predictions that some experiments need, or all, listed once: a grid may need tens of thousands."""
    return experiments.predictions(config, names_of_experiments or experiments.EXPERIMENTS)


def predictions_of(wildcards):
    """Every prediction that an experiment scores."""
    if not configured(wildcards.experiment):
        raise WorkflowError(
            f"experiments.{wildcards.experiment} is null: describe it in the configuration (config/README.md)"
        )
    return [p.file for p in needed(wildcards.experiment)]


def test_sets_of(wildcards):
    """The target splits of every corpus and repetition that an experiment scores."""
    scored = {(p.target, p.seed) for p in needed(wildcards.experiment)}
    return [f"results/splits/{target}/seed{seed}/target.csv" for target, seed in sorted(scored)]


def utterances_of(wildcards):
    """The utterances of every target that an experiment scores."""
    return [
        f"results/corpora/{target}/utterances.csv" for target in config["experiments"][wildcards.experiment]["targets"]
    ]


def source_splits_of(wildcards):
    """Training and development splits of a corpus that experiments use."""
    seeds = {p.seed for p in needed() if p.source == wildcards.corpus}
    return [f"results/splits/{wildcards.corpus}/seed{seed}/source.csv" for seed in sorted(seeds)]


def target_splits_of(wildcards):
    """Pool and test splits of a corpus that experiments use."""
    seeds = {p.seed for p in needed() if p.target == wildcards.corpus}
    return [f"results/splits/{wildcards.corpus}/seed{seed}/target.csv" for seed in sorted(seeds)]


def subsets_of(wildcards):
    """Few-shot samples of a corpus that experiments use."""
    drawn = {(p.shots, p.seed) for p in needed() if p.shots and p.target == wildcards.corpus}
    return [f"results/fewshot/{wildcards.corpus}/{shots}-shot/seed{seed}.csv" for shots, seed in sorted(drawn)]


COMPARISONS = ("random_init", "tuning")  # experiments with a table and a figure of their own name
CAPTIONED = {  # results with a caption that tells their own numbers, and the experiment behind them
    "table1": "results/tables/table1.csv",
    "table2": "results/tables/table2_detail.csv",
    "figure2": "results/figures/figure2.csv",
    "figure3": "results/figures/figure3.csv",
    "confusion": "results/figures/confusion.csv",
    "recall": "results/figures/recall.csv",
    "training": "results/figures/training.csv",
    "claims": "results/claims.csv",
}
CLAIMS = ["results/claims.csv", "results/claims_cells.csv", "results/claims.md", "results/claims.png"]


def configured(experiment):
    return config["experiments"][experiment] is not None


def archives_used_by(*names_of_experiments):
    """What ingestion noted of the corpora behind some experiments."""
    used = experiments.used_corpora(config, names_of_experiments)
    return [f"results/corpora/{corpus}/archive.json" for corpus in used]


def confusions_for_claims():
    """Counts of every experiment that a claim rests on."""
    return [f"results/scores/{name}_confusions.csv" for name in experiments.CLAIMED if configured(name)]


def what_claims_use():
    """Experiments, models and languages that decide what can be claimed."""
    roles = config["claims"]
    named = {roles["baseline"], roles["random"], roles["english"], *roles["multilingual"]} & config["models"].keys()
    kept = ("checkpoint", "weights")
    entries = {name: config["models"][name] for name in sorted(named)}
    return {
        "label": config["label"],
        "roles": roles,
        "titles": titles(entries),
        "models": {name: {key: entry[key] for key in kept if key in entry} for name, entry in entries.items()},
        "languages": {name: corpus["language"] for name, corpus in config["corpora"].items()},
        "experiments": {name: config["experiments"][name] for name in experiments.CLAIMED},
    }


@functools.cache
def all_runs():
    """Records of every training that the experiments need."""
    return [f"results/runs/{training}/run.json" for training in sorted({p.training for p in needed()})]


def config_as_run():
    """The whole configuration, defaults included, but for where it is run: that reruns nothing, and run.json has it."""
    return {key: value for key, value in config.items() if key != "device"}


def histories_of_table2():
    """Histories of the trainings behind Table II."""
    return [f"results/runs/{training}/history.csv" for training in sorted({p.training for p in needed("table2")})]


def epochs_of_table2():
    """Epochs of every model behind Table II."""
    return {p.model: config["models"][p.model]["training"]["epochs"] for p in needed("table2")}


def languages_in_use():
    """Languages of the experiments' corpora."""
    return sorted({config["corpora"][corpus]["language"] for corpus in experiments.used_corpora(config)})


def revisions_in_use():
    """What is recorded of the encoders of the models that experiments use."""
    entries = [config["models"][name] for name in models_in_use()]
    kept = [f"{encoders.folder(entry)}/revision.json" for entry in entries if "checkpoint" in entry]
    return list(dict.fromkeys(kept))


def one_run_per_model():
    """A run of every model that an experiment uses, for what is the same in all its runs."""
    first = {}
    for p in needed():
        first.setdefault(p.model, f"results/runs/{p.training}/run.json")
    return [first[model] for model in models_in_use()]


def titles(models):
    """What tables and figures call some models."""
    return {name: config["models"][name]["title"] for name in models}


def models_in_use():
    """Names of all models that an experiment uses, in the order in which the experiments list them."""
    listed = [config["experiments"][name]["models"] for name in experiments.EXPERIMENTS if configured(name)]
    return list(dict.fromkeys(model for models in listed for model in models))


def drawn_from(experiment):
    """What a table or figure needs to know of its experiment; nothing if it is not configured."""
    entry = config["experiments"][experiment]
    shown = {"label": config["label"], "experiment": entry}
    return shown | {"titles": titles(entry["models"])} if entry else shown


def trained_for_table2():
    """What the training curves need to know of Table II: nothing of its targets."""
    entry = config["experiments"]["table2"] or {"models": [], "sources": []}
    shown = {key: entry[key] for key in ("models", "sources")}
    return shown | {"label": config["label"], "titles": titles(entry["models"]), "epochs": epochs_of_table2()}


def archives_of_table2s_sources():
    """What ingestion noted of the corpora that Table II's models are trained on."""
    return [f"results/corpora/{source}/archive.json" for source in trained_for_table2()["sources"]]


def scores_of(experiment):
    """How many scores an experiment has: two of a prediction, but one of a run that saw samples of its target."""
    return sum(1 if p.shots else 2 for p in needed(experiment))


def caption_of(result):
    """Where a result's caption is written: Snakemake looks for captions beside the workflow, this is a result."""
    return str(Path("results", "captions", f"{result}.rst").absolute())


@functools.cache
def captioned():
    """For every configured result with a caption of its own, what the caption speaks of."""
    if not models_in_use():
        return {}
    said = {"seeds": len(config["seeds"]), "label": config["label"], "titles": titles(models_in_use())}
    behind = {"figure2": ["figure2"], "figure3": ["figure3"], "table1": [], "claims": []}
    found = {
        result: {"files": [file], "settings": said}
        for result, file in CAPTIONED.items()
        if all(map(configured, behind.get(result, ["table2"]))) and (result != "claims" or confusions_for_claims())
    }
    first = next(name for name in experiments.EXPERIMENTS if configured(name))
    shown = [f"results/scores/{first}.csv", *(["results/claims.csv"] if confusions_for_claims() else [])]
    return found | {"overview": {"files": shown, "settings": said | overview() | {"experiment": first}}}


def overview():
    """What is run, in numbers and names."""
    return {
        "trainings": len(all_runs()),
        "predictions": len(needed()),
        "models": list(titles(models_in_use()).values()),
        "sources": sorted({p.source for p in needed()}),
        "targets": sorted({p.target for p in needed()}),
        "claimed": bool(confusions_for_claims()),
    }


def configured_results():
    """Everything that the configured experiments end in.

    Every output is named: of a job that has one without metadata, as after an update of the workflow that added
    it, Snakemake 9.27 compares neither settings nor code, and takes what else is there for finished.
    """
    if not models_in_use():
        return []
    tables = ["table1", *(name for name in ("table2", *COMPARISONS) if configured(name))]
    figures = [name for name in ("figure2", "figure3", *COMPARISONS) if configured(name)]
    figures += ["confusion", "recall", "training"] if configured("table2") else []
    return [
        *audited_corpora(),
        "results/scores.csv",
        "results/provenance.json",
        *(f"results/captions/{result}.rst" for result in captioned()),
        *(CLAIMS if confusions_for_claims() else []),
        *(f"results/tables/{name}.{kind}" for name in tables for kind in ("csv", "png")),
        *(f"results/tables/{name}{kind}" for name in tables[1:] for kind in ("_detail.csv", ".md", ".tex")),
        *(f"results/figures/{name}.{kind}" for name in figures for kind in ("csv", "png", "pdf")),
    ]


def audited_corpora():
    """Every corpus of the experiments: fetched, verified, ingested and described."""
    pages = [f"results/corpora/{corpus}/audit.png" for corpus in experiments.used_corpora(config)]
    return [*pages, "results/audit.csv"] if pages else []
