"""Configuration, wildcard constraints, and the two objects that rules share. No rules here."""

import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(str(workflow.current_basedir)).parent / "scripts"))

from ser.config import experiments, local_inputs, validation
from ser.core.errors import UserError
from ser.core.paths import ANY_TARGET, CLEAN, ROOT
from ser.corpora import download
from ser.snakemake_support.inputs import Inputs
from ser.snakemake_support.settings import Settings, uses

try:
    validation.check_files(workflow.configfiles)
    config = validation.load(config)
    if workflow.is_main_process:  # once, not in every job
        local_inputs.check_local_inputs(config)
except UserError as error:
    read = ", ".join(map(str, workflow.configfiles)) or "no file"
    if workflow.config_settings.config:
        read += ", and --config, in whose lists and mappings Snakemake reads numbers as text: put these into a file"
    raise WorkflowError(f"{error}\nThe configuration was read from {read}.") from None

inputs = Inputs(config)  # input files that depend on the configuration
settings = Settings(config, inputs)  # params of each rule, and resources of jobs with a model


# used with `--software-deployment-method apptainer`; envs/ser.def says how to build it
container: str(ROOT / "envs" / "ser.sif")


def names(entries):
    """Return a wildcard constraint that matches exactly these names."""
    return "|".join(map(re.escape, entries)) or "(?!)"


wildcard_constraints:
    corpus=names(config["corpora"]),
    source=names([*config["corpora"], *config["source_sets"]]),
    target=names([*config["corpora"], ANY_TARGET]),
    model=names(config["models"]),
    condition=names(config["conditions"]),
    experiment=names(experiments.EXPERIMENTS),
    shots=r"\d+",
    seed=r"\d+",


def audits(wildcards):
    """Return the audits of all corpora in use."""
    tables = rules.audit.output if inputs.experiments.configured else []
    return [*expand(rules.corpus_audit.output.page, corpus=inputs.experiments.corpora()), *tables]


def final_results(wildcards):
    """Return the results of the configured experiments: all outputs of the rules that make them."""
    found = audits(wildcards)
    for name in inputs.experiments.results:
        found += getattr(rules, name).output
    for name, shown in inputs.experiments.results_by_experiment.items():
        found += expand(getattr(rules, name).output, experiment=shown)
    return found
