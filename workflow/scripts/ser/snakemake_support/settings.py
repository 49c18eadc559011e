"""Params of each rule: the settings that it uses, and a hash of its code."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ser.config import local_inputs, paper
from ser.config.experiments import FEW_SHOT, LEAVE_ONE_OUT, WITHIN, all_but, conditions_of
from ser.core.errors import UserError
from ser.core.files import files_under, sha256
from ser.core.paths import ADAPTED, CALIBRATED
from ser.corpora import download, formats
from ser.corpora.formats import csv_table
from ser.models import families
from ser.snakemake_support import provenance
from ser.snakemake_support.code_hash import code_hash, listing_hash
from ser.snakemake_support.inputs import Inputs


def uses(script: str, *sources: str, **values) -> dict:
    """Return a rule's settings, sorted at every depth, with its code and a hash of it.

    Args:
        script: file name in `workflow/scripts`.
        sources: modules that the script imports by a computed name, and paths of data files of the workflow.
    """
    code = [f"workflow/scripts/{script}", *sources]
    return in_key_order({**values, "code": {"sources": code, "hash": code_hash(*code)}})


def in_key_order(value):
    """Sort dictionaries at every depth and write 10.0 as 10, so that neither order nor spelling causes a rerun."""
    if isinstance(value, Mapping):
        return {key: in_key_order(value[key]) for key in sorted(value)}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return [in_key_order(item) for item in value] if isinstance(value, list) else value


class Settings:
    """Settings and resources of the rules.

    Args:
        config: the whole configuration after `validation.load`.
        inputs: its input functions.
    """

    def __init__(self, config: Mapping, inputs: Inputs):
        self._config, self._inputs, self._experiments = config, inputs, inputs.experiments

    # --- Corpora ---

    def download(self, wildcards, output) -> dict:
        """Return an archive's source, and its corpus with the weakest verification.

        Snakemake does not track params that are functions of the output, so changing one `url` to another, or the
        wording of a licence, does not repeat the download. Downloads are verified at ingestion.
        """
        corpora = self._inputs.downloads[wildcards.archive]
        entries = [self._config["corpora"][name] for name in corpora]
        weakest = min(entries, key=lambda entry: ("none", "names", "sha256").index(entry["verify"]))
        return {"source": download.corpus_source(entries[0]), "corpus": weakest, "refusal": self.refusal(corpora[0])}

    def refusal(self, corpus: str) -> str | None:
        """Return why a corpus cannot be downloaded, or None."""
        return local_inputs.download_refusal(corpus, self._config["corpora"][corpus])

    def download_noise(self, wildcards, output) -> dict:
        """Return the source of a noise environment, not tracked either."""
        return {"source": download.noise_source(self._config["noise"], wildcards.environment)}

    def corpus(self, wildcards) -> dict:
        """Return a corpus's settings, without its language, and hashes of files that are not rule inputs."""
        entry = self._config["corpora"][wildcards.corpus]
        kept = local_inputs.ingestion_settings(entry)
        kept |= _listing(_files_of(entry))
        if entry["format"] == "table" and Path(entry["path"]).is_file():
            kept["table"] = sha256(entry["path"])  # a replacement may have an older modification time
        return uses("corpus.py", *formats.sources(entry["format"]), **kept)

    def corpus_audit(self, wildcards) -> dict:
        """Return the settings of the corpus audit."""
        language = self._config["corpora"][wildcards.corpus]["language"]
        return self._figure("audit", label=self._config["label"], language=language)

    def noise(self, wildcards) -> dict:
        """Return the signal-to-noise ratio and environments of a noisy condition, and a hash of the user's archives."""
        condition, folder = self._config["conditions"][wildcards.condition], self._config["noise"]["path"]
        archives = [local_inputs.noise_archive(Path(folder or ""), name) for name in condition["environments"]]
        return uses("mix_noise.py", **condition, **_listing(archives if folder else []))

    def split(self, wildcards) -> dict:
        """Return the settings of a split: the pool size if it has a test set, else nothing."""
        return uses("split.py", **(self._config["few_shot"] if wildcards.role != "source" else {}))

    # --- Models ---

    def gpu(self, wildcards) -> int:
        """Return the GPUs to request for a job with a model."""
        return int(self.device(wildcards) == "auto")

    def device(self, wildcards) -> str:
        """Return the device for a job with a model, as `choose_device` takes it.

        It is a resource: unlike a param, its change repeats no job.
        """
        return self._config["device"] if families.of(self._model_of(wildcards)).uses_gpu else "cpu-only"

    def memory(self, wildcards, attempt) -> int:
        """Return the memory to request (MB), growing with each attempt."""
        return self._model_of(wildcards)["resources"]["mem_mb"] * attempt

    def runtime(self, wildcards, attempt) -> int:
        """Return the time to request (minutes), growing with each attempt."""
        return self._model_of(wildcards)["resources"]["runtime"] * attempt

    def _model_of(self, wildcards) -> Mapping:
        if "encoding" in wildcards.keys():  # noqa: SIM118 (not a mapping)
            return self._inputs.frozen_models[wildcards.encoding]
        return self._config["models"][wildcards.model]

    def encoder(self, wildcards) -> dict:
        """Return checkpoint, revision and family of an encoder, and a hash of the files of a local checkpoint."""
        entry = self._inputs.model_of_encoder(wildcards.encoder)
        kept = {key: entry[key] for key in ("checkpoint", "revision", "family") if key in entry}
        kept |= _listing([] if "revision" in entry else local_inputs.checkpoint_files(Path(entry["checkpoint"])))
        return uses("encoder.py", families.encoder_module(entry["family"]), **kept)

    def pooled(self, wildcards) -> dict:
        """Return the model settings that determine pooled vectors."""
        entry = self._inputs.frozen_models[wildcards.encoding]
        kept = {key: entry[key] for key in ("family", "weights", "context") if key in entry}
        return uses("pooled.py", families.encoder_module(entry["family"]), **kept)

    def finetune(self, wildcards) -> dict:
        """Return the model, its training settings, and those of its source: `label.py` repeats its trimming."""
        entry = self._config["models"][wildcards.model]
        trainer, corpora = families.of(entry).trainer, self._experiments.corpora_of(wildcards.source)
        source = self._source(wildcards) | {"trim_db": self._config["corpora"][corpora[0]]["trim_db"]}
        return self._model_settings("finetune.py", wildcards.model, trainer, training=entry["training"], **source)

    def calibrate(self, wildcards) -> dict:
        """Return the model, its source, and the prediction settings."""
        used = self._config["prediction"] | self._source(wildcards)
        return self._model_settings("calibrate.py", wildcards.model, **used)

    def _source(self, wildcards) -> dict:
        """Return whether a source is balanced, and a set's corpora, whose order decides which utterances are drawn."""
        chosen = self._config["source_sets"].get(wildcards.source)
        return {key: chosen[key] for key in ("balanced", "corpora")} if chosen else {"balanced": False}

    def predict(self, wildcards) -> dict:
        """Return model, prediction settings, and targets and conditions to predict."""
        used = self._config["prediction"] | {"predicted": [list(cell) for cell in self._inputs.predicted(wildcards)]}
        return self._model_settings("predict.py", wildcards.model, **used)

    def _model_settings(self, script: str, name: str, *sources: str, **values) -> dict:
        entry = self._config["models"][name]
        model = _without(entry, "title", "training", "resources", "copy_of")
        return uses(script, *families.of(entry).modules, *sources, model=model, **values)

    # --- Results ---

    def score(self, wildcards) -> dict:
        """Return the conditions that an experiment scores."""
        entry = self._config["experiments"][wildcards.experiment]
        derived = {name: {"predictions": name} for name in (CALIBRATED, ADAPTED)}
        known = self._config["conditions"] | derived
        conditions = {name: known[name] for name in conditions_of(wildcards.experiment, entry)}
        return uses("score_experiment.py", conditions=conditions)

    def table1(self) -> dict:
        """Return the models in use and the languages to list."""
        models = self._experiments.models
        corpora = [self._config["corpora"][corpus] for corpus in self._experiments.corpora()]
        return self._figure(
            "table1",
            "resources/checkpoints.yaml",
            label=self._config["label"],
            models={name: _without(self._config["models"][name], "training", "resources") for name in models},
            order=models,
            languages=sorted({corpus["language"] for corpus in corpora}),
        )

    def table(self, experiment: str) -> dict:
        """Return the settings of a table of UARs, with what its models and corpora do not share with the paper's."""
        models = (self._config["experiments"][experiment] or {"models": []})["models"]
        entries = {name: self._config["corpora"][name] for name in self._experiments.corpora([experiment])}
        deviations = paper.deviations(entries | {name: self._config["models"][name] for name in models})
        return self.figure("table2", experiment, "resources/paper-table2.csv", deviations=deviations)

    def figure(self, module: str, experiment: str | None = None, *files: str, **values) -> dict:
        """Return the settings of a table or figure, by default of the experiment of that name, which may be null.

        Args:
            files: data files of the workflow that it reads.
            values: further settings.
        """
        experiment = experiment or module
        entry = self._config["experiments"][experiment]
        shown = {"titles": self._titles(entry["models"])} if entry else {}
        return self._figure(module, *files, label=self._config["label"], experiment=entry, **shown, **values)

    def training_curves(self) -> dict:
        """Return the settings of Table II's training curves, without its targets."""
        entry = self._config["experiments"][self._experiments.main_table] or {"models": [], "sources": []}
        return self._figure(
            "training_curves",
            models=entry["models"],
            sources=entry["sources"],
            label=self._config["label"],
            titles=self._titles(entry["models"]),
            steps={name: families.of(self._config["models"][name]).step for name in entry["models"]},
        )

    def gap(self) -> dict:
        """Return the models, targets and sources of the table `gap`."""
        configured = {name: self._experiments.configured[name] for name in self._experiments.gap}
        own = [configured[name] for name in (WITHIN, LEAVE_ONE_OUT) if name in configured]
        models = list(dict.fromkeys(model for entry in own for model in entry["models"]))
        targets = list(dict.fromkeys(target for entry in own for target in entry["targets"]))
        left_out, few_shot = configured.get(LEAVE_ONE_OUT, {"targets": []}), None
        for name in (name for name in FEW_SHOT if name in configured):  # if both, the converged one
            crossed = [target for _, target in self._experiments.pairs_in_two_languages(name)]
            few_shot = {key: configured[name][key] for key in ("source", "shots")} | {"targets": crossed}
        return self._figure(
            "gap",
            label=self._config["label"],
            titles=self._titles(models),
            models=models,
            single_sources={target: self._experiments.single_sources(configured, target) for target in targets},
            all_others={target: all_but(target) for target in left_out["targets"]},
            few_shot=few_shot,
        )

    def claims(self) -> dict:
        """Return the experiments, models and languages that the claims refer to."""
        roles = self._config["claims"]
        named = {name for role in roles.values() for name in ([role] if isinstance(role, str) else role)}
        entries = {name: self._config["models"][name] for name in sorted(named & self._config["models"].keys())}
        shown = {
            "table2": self._experiments.main_table,
            "figure2": self._experiments.main_few_shot,
            "figure3": self._experiments.main_noise,
        }
        claimed = dict.fromkeys((*shown.values(), "random_init"))
        for name in self._experiments.claimed:
            pairs = [list(pair) for pair in self._experiments.pairs_in_two_languages(name)]
            entry = self._experiments.configured[name]
            claimed[name] = _without(entry, "source", "sources", "targets") | {"pairs": pairs}
        return self._figure(
            "claims",
            "resources/checkpoints.yaml",
            label=self._config["label"],
            roles=roles,
            **shown,
            titles=self._titles(entries),
            models={name: _without(entry, "title", "resources") for name, entry in entries.items()},
            languages={name: self._config["corpora"][name]["language"] for name in self._experiments.corpora(claimed)},
            experiments=claimed,
        )

    def provenance(self) -> dict:
        """Return the whole configuration except the device, and the installed packages, whose upgrade is recorded."""
        kept = {key: value for key, value in self._config.items() if key != "device"}
        packages = provenance.packages(provenance.LOCK)
        return uses("provenance.py", "envs/requirements.txt", config=kept, packages=packages)

    def _figure(self, module: str, *files: str, **values) -> dict:
        return uses("figure.py", f"ser.figures.{module}", *files, module=module, **values)

    def _titles(self, models) -> dict[str, str]:
        return {name: self._config["models"][name]["title"] for name in models}


def _without(entry: Mapping, *keys: str) -> dict:
    """Return an entry without some keys."""
    return {key: value for key, value in entry.items() if key not in keys}


def _listing(files: Sequence[Path]) -> dict[str, str]:
    """Return a hash of names and sizes of the user's files: a replacement may have an older modification time."""
    return {"listing": listing_hash(files)} if files and not local_inputs.is_made_by_demo(files[0]) else {}


def _files_of(corpus: Mapping) -> list[Path]:
    """Return the files in a corpus folder, the audio files that a CSV lists, or the archive."""
    path = Path(corpus["path"] or "")
    try:
        if corpus["format"] == "table":
            return csv_table.audio_files(path)
        if path.is_dir() and corpus["path"]:
            return [file for file in files_under(path) if formats.is_used(corpus["format"], file.as_posix())]
    except (UserError, OSError):  # ingestion reports what is wrong
        return []
    return [path] if corpus["path"] else []
