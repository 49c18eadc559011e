"""Input functions of rules: files, and values of wildcards in them, that depend on the configuration."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import ancient

from ser.config import local_inputs
from ser.config.experiments import Experiments
from ser.core.encoder_paths import ENCODER_FILES, encoder_folder, encoder_name, pooled_name
from ser.core.paths import ADAPTED, CALIBRATED, CLEAN, RunId
from ser.corpora import download
from ser.models import families


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
        literal = _literal(Path(corpus["path"]))
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
        return [_literal(local_inputs.noise_archive(Path(folder), environment)) for environment in environments]

    # --- Splits that experiments use ---

    def seeds_as_source(self, wildcards) -> list[int]:
        """Return the seeds of the splits for training on a corpus."""
        corpus = wildcards.corpus
        return sorted(
            {
                p.seed
                for p in self.experiments.predictions()
                if p.source != p.target and corpus in self.experiments.corpora_of(p.source)
            }
        )

    def seeds_as_target(self, wildcards) -> list[int]:
        """Return the seeds of the pool and test splits of a corpus."""
        return sorted({p.seed for p in self.experiments.predictions() if p.target == wildcards.corpus})

    def drawn_shots(self, wildcards) -> list[int]:
        """Return the numbers of few-shot examples that are drawn from a corpus."""
        return sorted({p.shots for p in self.experiments.predictions() if p.shots and p.target == wildcards.corpus})

    # --- Models ---

    def checkpoint(self, wildcards) -> list[str]:
        """Return the files of a local checkpoint folder; none for a repository.

        If it is gone or empty, its config.json is returned: Snakemake then keeps the encoder made from it.
        """
        entry = self.model_of_encoder(wildcards.encoder)
        folder = Path(entry["checkpoint"])
        if local_inputs.is_made_by_demo(folder):
            return [str(folder / name) for name in ("config.json", "preprocessor_config.json", "model.safetensors")]
        if "revision" in entry:
            return []
        return list(map(_literal, local_inputs.checkpoint_files(folder) or [folder / "config.json"]))

    def model_of_encoder(self, encoder: str) -> Mapping:
        """Return the first model that starts from the encoder with this folder name."""
        for entry in self._config["models"].values():
            if "checkpoint" in entry and encoder_name(entry) == encoder:
                return entry
        raise WorkflowError(f"No model in the configuration uses encoder {encoder}.")

    @cached_property
    def frozen_models(self) -> dict[str, Mapping]:
        """Name of pooled vectors -> the first model with a frozen encoder that uses them."""
        frozen = [entry for entry in self._config["models"].values() if families.is_frozen(entry)]
        return {pooled_name(entry): entry for entry in reversed(frozen)}

    def pooling_encoder(self, wildcards) -> list[str]:
        """Return the files of the encoder that computes pooled vectors."""
        return _encoder_files(self.frozen_models[wildcards.encoding])

    def encoder(self, wildcards) -> list[str]:
        """Return the encoder files that a model needs; only the record if frozen."""
        entry = self._config["models"][wildcards.model]
        if families.is_frozen(entry):
            return [f"{encoder_folder(entry)}/revision.json"]
        return _encoder_files(entry)

    def source_frames(self, wildcards) -> list[str]:
        """Return the file with a model's input for every corpus of its source."""
        return [self._frames(wildcards.model, corpus, CLEAN) for corpus in self.source(wildcards)]

    def source(self, wildcards) -> list[str]:
        """Return the corpora of a source."""
        return self.experiments.corpora_of(wildcards.source)

    def training_role(self, wildcards) -> str:
        """Return which split of its source a run is trained on."""
        if wildcards.source != wildcards.target:
            return "source"
        return f"{wildcards.shots}-shot" if int(wildcards.shots) else "within"

    def is_split_of_examples(self, wildcards) -> bool:
        """Return whether a split is one of few-shot examples alone."""
        return wildcards.role.endswith("-shot")

    def is_few_shot(self, wildcards) -> bool:
        """Return whether a run is also trained on examples of its target, beside its source."""
        return int(wildcards.shots) > 0 and wildcards.source != wildcards.target

    def target_frames(self, wildcards) -> str:
        """Return the file with a model's input for the target of a run."""
        return self._frames(wildcards.model, wildcards.target, CLEAN)

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

    def needs_calibration(self, wildcards) -> bool:
        """Return whether a run predicts in a condition that needs its calibration."""
        return any(condition in (CALIBRATED, ADAPTED) for _, condition in self.predicted(wildcards))

    def predicted_corpora(self, wildcards) -> list[str]:
        """Return the targets to predict with a run, in the order of `predicted`."""
        return list(dict.fromkeys(target for target, _ in self.predicted(wildcards)))

    def _frames(self, model: str, corpus: str, condition: str) -> str:
        """Return the file with a model's input: log-mel, functionals, pooled vectors or audio."""
        audio = CLEAN if condition in (CALIBRATED, ADAPTED) else condition
        return f"results/corpora/{corpus}/{audio}/{families.of(self._config['models'][model]).frames}"

    # --- Results ---

    def scored_runs(self, wildcards) -> list[RunId]:
        """Return the training runs that an experiment scores.

        Raises `WorkflowError` if the experiment is not configured.
        """
        return self._runs(wildcards.experiment)

    def runs_of_main_table(self, wildcards) -> list[RunId]:
        """Return the training runs of the Table II that is shown in detail. Raises `WorkflowError` if it is null."""
        return self._runs(self.experiments.main_table)

    def _runs(self, experiment: str) -> list[RunId]:
        if experiment not in self.experiments.configured:
            raise WorkflowError(
                f"experiments.{experiment} is null: define it in the configuration (see config/README.md)"
            )
        return self.experiments.runs(experiment)

    def gap(self, wildcards) -> list[str]:
        """Return the experiments that the table `gap` shows. Raises `WorkflowError` if there are none."""
        if not self.experiments.gap:
            raise WorkflowError(
                "the table `gap` needs experiments.within with 0 in its `shots`, or experiments.leave_one_language_out:"
                " define one in the configuration (see config/README.md)"
            )
        return self.experiments.gap

    def scored_corpora(self, wildcards) -> list[str]:
        """Return the targets that an experiment scores."""
        return self._config["experiments"][wildcards.experiment]["targets"]

    def corpora_of_experiment(self, wildcards) -> list[str]:
        """Return the sources and targets of an experiment."""
        return self.experiments.corpora([wildcards.experiment])

    def encoders(self) -> list[str]:
        """Return the names of the encoders in use."""
        entries = [self._config["models"][name] for name in self.experiments.models]
        return list(dict.fromkeys(encoder_name(entry) for entry in entries if "checkpoint" in entry))


def _literal(path: str | Path) -> str:
    """Return a path in which Snakemake does not take braces for wildcards."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _encoder_files(entry: Mapping) -> list[str]:
    """Return the files of a model's encoder, weights first; none for a family without encoder."""
    if not families.has_encoder(entry):
        return []
    return [f"{encoder_folder(entry)}/{name}" for name in ENCODER_FILES]
