"""Input functions of rules: input files that depend on the configuration."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import ancient

from ser.config import local_inputs
from ser.config.experiments import Experiments
from ser.core.paths import (
    ADAPTED,
    CALIBRATED,
    CLEAN,
    ENCODER_FILES,
    RunId,
    encoder_folder,
    encoder_name,
    is_made_by_demo,
    pooled_name,
)
from ser.corpora import download
from ser.models import checkpoint_files, families

CAPTIONED = {  # result with a generated caption -> the file that the caption reads
    "table1": "results/tables/table1.csv",
    "table2": "results/tables/table2_detail.csv",
    "table2_converged": "results/tables/table2_converged_detail.csv",
    "figure2": "results/figures/figure2.csv",
    "figure3": "results/figures/figure3.csv",
    "confusion": "results/figures/confusion.csv",
    "recall": "results/figures/recall.csv",
    "training": "results/figures/training.csv",
    "claims": "results/claims.csv",
}


class Inputs:
    """Input functions of the rules.

    Args:
        config: the whole configuration after `validation.load`.
    """

    def __init__(self, config: Mapping):
        self._config = config
        self.experiments = Experiments(config)

    # --- Corpora and noise ---

    def archive(self, wildcards) -> str:
        """Return a corpus's archive: the configured local copy, or the download."""
        corpus = self._config["corpora"][wildcards.corpus]
        if corpus["path"] is None:
            return f"resources/corpora/{download.archive_name(wildcards.corpus, corpus)}"
        literal = corpus["path"].replace("{", "{{").replace("}", "}}")
        # a folder's modification time does not reflect its contents: its listing is part of the settings instead
        return ancient(literal) if Path(corpus["path"]).is_dir() else literal

    @cached_property
    def downloads(self) -> dict[str, list[str]]:
        """Archive to download -> corpora that use it."""
        found: dict[str, list[str]] = {}
        for name, entry in self._config["corpora"].items():
            if entry["path"] is None:
                found.setdefault(download.archive_name(name, entry), []).append(name)
        return found

    def noise_archives(self, wildcards) -> list[str]:
        """Return the noise archives, or unpacked folders, of a condition."""
        folder = self._config["noise"]["path"]
        environments = self._config["conditions"][wildcards.condition]["environments"]
        if folder is None:
            return [f"resources/noise/{environment}_16k.zip" for environment in environments]
        return [str(local_inputs.noise_archive(Path(folder), environment)) for environment in environments]

    # --- Splits that experiments use ---

    def source_splits(self, wildcards) -> list[str]:
        """Return the training and development splits of a corpus."""
        corpus = wildcards.corpus
        seeds = {
            p.seed
            for p in self.experiments.predictions()
            if p.source != p.target and corpus in self.experiments.corpora_of(p.source)
        }
        return [f"results/splits/{wildcards.corpus}/seed{seed}/source.csv" for seed in sorted(seeds)]

    def target_splits(self, wildcards) -> list[str]:
        """Return the pool and test splits of a corpus."""
        seeds = {p.seed for p in self.experiments.predictions() if p.target == wildcards.corpus}
        return [f"results/splits/{wildcards.corpus}/seed{seed}/target.csv" for seed in sorted(seeds)]

    def few_shot_subsets(self, wildcards) -> list[str]:
        """Return the few-shot examples of a corpus."""
        drawn = {(p.shots, p.seed) for p in self.experiments.predictions() if p.shots and p.target == wildcards.corpus}
        return [f"results/fewshot/{wildcards.corpus}/{shots}-shot/seed{seed}.csv" for shots, seed in sorted(drawn)]

    # --- Models ---

    def checkpoint(self, wildcards) -> list[str]:
        """Return the files of a local checkpoint folder; none for a repository.

        If it is gone or empty, its config.json is returned: Snakemake then keeps the encoder made from it.
        """
        entry = self.model_of_encoder(wildcards.encoder)
        folder = Path(entry["checkpoint"])
        if is_made_by_demo(folder):
            return [str(folder / name) for name in ("config.json", "preprocessor_config.json", "model.safetensors")]
        if "revision" in entry:
            return []
        if not (folder / checkpoint_files.CONFIG).exists():
            return [str(folder / checkpoint_files.CONFIG)]
        present = {path.name for path in folder.iterdir()}
        used = [*checkpoint_files.SETTINGS, *checkpoint_files.WEIGHTS, *checkpoint_files.weight_files(folder, present)]
        return [str(folder / name) for name in dict.fromkeys(used) if name in present]

    def model_of_encoder(self, encoder: str) -> Mapping:
        """Return the first model that starts from the encoder with this folder name."""
        for entry in self._config["models"].values():
            if "checkpoint" in entry and encoder_name(entry) == encoder:
                return entry
        raise WorkflowError(f"No model in the configuration uses encoder {encoder}.")

    @cached_property
    def frozen_models(self) -> dict[str, Mapping]:
        """Name of pooled vectors -> the first model with a frozen encoder that uses them."""
        frozen = [entry for entry in self._config["models"].values() if families.name(entry) == families.FROZEN]
        return {pooled_name(entry): entry for entry in reversed(frozen)}

    def pooling_encoder(self, wildcards) -> list[str]:
        """Return the files of the encoder that computes pooled vectors."""
        return _encoder_files(self.frozen_models[wildcards.encoding])

    def encoder(self, wildcards) -> list[str]:
        """Return the encoder files that a model needs; only the record if frozen."""
        entry = self._config["models"][wildcards.model]
        if families.name(entry) == families.FROZEN:
            return [f"{encoder_folder(entry)}/revision.json"]
        return _encoder_files(entry)

    def source_frames(self, wildcards) -> list[str]:
        """Return the file with a model's input for every corpus of its source."""
        return [self._frames(wildcards.model, corpus, CLEAN) for corpus in self._source(wildcards)]

    def source_utterances(self, wildcards) -> list[str]:
        """Return the utterance table of every corpus of a source."""
        return [f"results/corpora/{corpus}/utterances.csv" for corpus in self._source(wildcards)]

    def source_overlaps(self, wildcards) -> list[str]:
        """Return the overlaps of every corpus of a source."""
        return [f"results/corpora/{corpus}/overlaps.csv" for corpus in self._source(wildcards)]

    def training_splits(self, wildcards) -> list[str]:
        """Return the training and development split of every corpus of a source."""
        role = "within" if wildcards.source == wildcards.target else "source"
        return [f"results/splits/{corpus}/seed{wildcards.seed}/{role}.csv" for corpus in self._source(wildcards)]

    def _source(self, wildcards) -> list[str]:
        return self.experiments.corpora_of(wildcards.source)

    def few_shot_examples(self, wildcards) -> dict[str, str]:
        """Return the named inputs for the few-shot examples; none for a zero-shot run."""
        if not int(wildcards.shots):
            return {}
        target = wildcards.target
        return {
            "target_frames": self._frames(wildcards.model, target, CLEAN),
            "target_utterances": f"results/corpora/{target}/utterances.csv",
            "target_overlaps": f"results/corpora/{target}/overlaps.csv",
            "target_split": f"results/splits/{target}/seed{wildcards.seed}/target.csv",
            "subset": f"results/fewshot/{target}/{wildcards.shots}-shot/seed{wildcards.seed}.csv",
        }

    def predicted(self, wildcards) -> list[tuple[str, str]]:
        """Return the targets and conditions to predict with a run.

        Raises `WorkflowError` if no experiment uses the run.
        """
        w = wildcards
        run = RunId(w.model, w.source, w.target, int(w.shots), int(w.seed))
        if run not in self.experiments.predicted_by:
            raise WorkflowError(f"No experiment in the configuration uses the run {run.path}.")
        return self.experiments.predicted_by[run]

    def predicted_frames(self, wildcards) -> list[str]:
        """Return the files with a model's input for every target and condition."""
        return [self._frames(wildcards.model, target, condition) for target, condition in self.predicted(wildcards)]

    def calibration(self, wildcards) -> list[str]:
        """Return the calibration of a run, if it predicts in a condition that needs one."""
        run = RunId(wildcards.model, wildcards.source, wildcards.target, int(wildcards.shots), int(wildcards.seed))
        needed = {CALIBRATED, ADAPTED} & {condition for _, condition in self.predicted(wildcards)}
        return [f"{run.folder}/calibration.safetensors"] if needed else []

    def predicted_utterances(self, wildcards) -> list[str]:
        """Return the utterance table of every target, in the same order."""
        targets = dict.fromkeys(target for target, _ in self.predicted(wildcards))
        return [f"results/corpora/{target}/utterances.csv" for target in targets]

    def _frames(self, model: str, corpus: str, condition: str) -> str:
        """Return the file with a model's input: log-mel, functionals, pooled vectors or audio."""
        entry = self._config["models"][model]
        match families.name(entry):
            case "cnn-lstm":
                file = "log_mel.npy"
            case "svm":
                file = f"functionals/{entry['features']}.npy"
            case families.FROZEN:
                file = f"pooled/{pooled_name(entry)}.npy"
            case _:
                file = "audio.npy"
        audio = CLEAN if condition in (CALIBRATED, ADAPTED) else condition
        return f"results/corpora/{corpus}/{audio}/{file}"

    # --- Results ---

    def predictions(self, wildcards) -> list[str]:
        """Return the prediction files that an experiment scores.

        Raises `WorkflowError` if the experiment is not configured.
        """
        name = wildcards.experiment
        if name not in self.experiments.configured:
            raise WorkflowError(f"experiments.{name} is null: define it in the configuration (see config/README.md)")
        return list(dict.fromkeys(p.file for p in self.experiments.predictions(name)))

    def test_sets(self, wildcards) -> list[str]:
        """Return the target splits of every corpus and seed that an experiment scores."""
        scored = {(p.target, p.seed) for p in self.experiments.predictions(wildcards.experiment)}
        return [f"results/splits/{target}/seed{seed}/target.csv" for target, seed in sorted(scored)]

    def scored_utterances(self, wildcards) -> list[str]:
        """Return the utterance tables of the targets that an experiment scores."""
        targets = self._config["experiments"][wildcards.experiment]["targets"]
        return [f"results/corpora/{target}/utterances.csv" for target in targets]

    def scored_runs(self, wildcards) -> list[str]:
        """Return the records of the training runs that an experiment scores."""
        return [f"{run.folder}/run.json" for run in self.experiments.runs(wildcards.experiment)]

    def scores(self, names: Iterable[str]) -> list[str]:
        """Return the scores of the named experiments."""
        return [f"results/scores/{name}.csv" for name in names]

    def confusions(self, names: Iterable[str]) -> list[str]:
        """Return the confusion counts of the named experiments."""
        return [f"results/scores/{name}_confusions.csv" for name in names]

    def archives(self, names: Iterable[str] | None = None) -> list[str]:
        """Return the archive records of the corpora of the named (by default, all) experiments."""
        return [f"results/corpora/{corpus}/archive.json" for corpus in self.experiments.corpora(names)]

    def archives_of_experiment(self, wildcards) -> list[str]:
        """Return the archive records of the corpora of an experiment."""
        return self.archives([wildcards.experiment])

    def archives_of_sources(self) -> list[str]:
        """Return the archive records of the sources of Table II."""
        sources = (self._config["experiments"]["table2"] or {"sources": []})["sources"]
        corpora = dict.fromkeys(corpus for source in sources for corpus in self.experiments.corpora_of(source))
        return [f"results/corpora/{corpus}/archive.json" for corpus in corpora]

    def audits(self) -> list[str]:
        """Return the audits of all corpora in use."""
        return [f"results/corpora/{corpus}/audit.json" for corpus in self.experiments.corpora()]

    def run_records(self) -> list[str]:
        """Return the records of all training runs."""
        return [f"{run.folder}/run.json" for run in self.experiments.runs()]

    def one_record_per_model(self) -> list[str]:
        """Return the record of one run of each model."""
        return [f"{run.folder}/run.json" for run in self.experiments.first_run_of_model.values()]

    def histories(self) -> list[str]:
        """Return the training histories of the runs in Table II."""
        if "table2" not in self.experiments.configured:
            return []
        return [f"{run.folder}/history.csv" for run in self.experiments.runs("table2")]

    def encoder_records(self) -> list[str]:
        """Return the records of the encoders in use."""
        entries = [self._config["models"][name] for name in self.experiments.models]
        kept = [f"{encoder_folder(entry)}/revision.json" for entry in entries if "checkpoint" in entry]
        return list(dict.fromkeys(kept))

    def captioned(self, wildcards) -> list[str]:
        """Return the files that a caption reads its numbers from."""
        if wildcards.result != "overview":
            return [CAPTIONED[wildcards.result]]
        first = next(iter(self.experiments.configured))
        return [f"results/scores/{first}.csv", *(["results/claims.csv"] if self.experiments.claimed else [])]


def _encoder_files(entry: Mapping) -> list[str]:
    """Return the files of a model's encoder, weights first; none for a family without encoder."""
    if not families.has_encoder(entry):
        return []
    return [f"{encoder_folder(entry)}/{name}" for name in ENCODER_FILES]
