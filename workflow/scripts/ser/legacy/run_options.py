"""A run as commands beside Snakemake name it: its working directory, and what it was configured by."""

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from ser.config import validation
from ser.core.errors import UserError

CONFIG = Path("config", "config.yaml")  # what the Snakefile reads, in the working directory


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let a command take the options that Snakemake takes."""
    parser.add_argument("--directory", "-d", type=Path, default=Path(), help="where the run works (default: here)")
    parser.add_argument(
        "--configfile",
        "--configfiles",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="as the run was started with, or will be",
    )


def read(given: argparse.Namespace) -> tuple[Path, list[Path], dict]:
    """Working directory, configuration files and whole configuration of the run that the options name.

    Raises `UserError` if there is no such folder, or the configuration cannot be used.
    """
    directory, configfiles = given.directory.resolve(), [path.resolve() for path in given.configfile]
    if not directory.is_dir():
        raise UserError(f"{given.directory} is no folder: name the one that the run works in, or make it")
    config = merged_config(directory, configfiles)
    with contextlib.chdir(directory):  # the configuration's paths are relative to it
        return directory, configfiles, validation.load(config)


def merged_config(directory: Path, configfiles: Sequence[Path]) -> dict:
    """What Snakemake merges: the working directory's own configuration if there is one, then `--configfile` in order.

    Raises `UserError` if there is none at all, or one cannot be read.
    """
    config: dict = {}
    own = [directory / CONFIG] if (directory / CONFIG).exists() else []
    if not (own or configfiles):
        raise UserError(
            f"{directory / CONFIG} does not exist: name the folder that the run works in by --directory, and by"
            " --configfile what it was started with"
        )
    for path in [*own, *configfiles]:
        try:
            update_config(config, load_configfile(path))
        except (WorkflowError, OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read as a configuration: {error}") from error
    return config
