"""The checked configuration, and the three objects that rules share. No rules here."""

import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(str(workflow.current_basedir)).parent / "scripts"))

from ser.config import experiments, local_inputs, validation
from ser.core.errors import UserError
from ser.core.paths import ANY_TARGET, CLEAN
from ser.corpora import download
from ser.snakemake_support.inputs import Inputs
from ser.snakemake_support.settings import Settings, uses
from ser.snakemake_support.targets import Targets

try:
    validation.refuse_repeated_keys(workflow.configfiles)
    config = validation.load(config)
    if workflow.is_main_process:  # a node of a cluster need not see what was read before
        local_inputs.refuse_missing(config)
except UserError as error:
    raise WorkflowError(str(error)) from None

inputs = Inputs(config)  # input files that depend on the configuration
settings = Settings(config)  # the one parameter of each rule, and what jobs with a model request
targets = Targets(config)  # final results


def names(entries):
    """Return a wildcard constraint that admits these names and nothing else."""
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
