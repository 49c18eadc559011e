"""Count finished training runs and predictions by experiment and model.

Usage: python workflow/scripts/progress.py [--directory D] [--configfile C ...]

It counts existing files, also those that an edit has made outdated. `snakemake --dry-run` lists the jobs to
run.
"""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from snakemake.utils import update_config
from tabulate import tabulate

from ser.config import validation
from ser.config.experiments import Experiments
from ser.core.errors import UserError


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", "-d", type=Path, default=Path(), help="working directory (default: here)")
    parser.add_argument("--configfile", type=Path, nargs="+", default=[], help="configuration files, as for snakemake")
    given = parser.parse_args(arguments)
    configfiles = [path.resolve() for path in given.configfile]
    if not given.directory.is_dir():
        raise UserError(f"Directory {given.directory} does not exist: correct DIRECTORY (`--directory`), or create it.")
    with contextlib.chdir(given.directory):
        print(table(Experiments(validation.load(merged_config(configfiles)))))


def merged_config(configfiles: Sequence[Path]) -> dict:
    """Return the configuration as Snakemake merges it.

    The working directory's config/config.yaml comes first, then the given files.
    """
    config: dict = {}
    own = [path for path in [Path("config/config.yaml")] if path.exists()]
    for path in [*own, *configfiles]:
        update_config(config, yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    return config


def table(experiments: Experiments) -> str:
    """Return a table of finished/needed runs and predictions, as text."""
    rows = []
    for name, entry in experiments.configured.items():
        for model in entry["models"]:
            predictions = [p for p in experiments.predictions(name) if p.model == model]
            runs = {f"{p.run.folder}/run.json" for p in predictions}
            rows.append((name, model, _done(runs), _done({p.run.predictions for p in predictions})))
    return tabulate(rows, ("experiment", "model", "trained", "predicted"), "plain", disable_numparse=True)


def _done(paths: set[str]) -> str:
    return f"{sum(Path(path).exists() for path in paths)}/{len(paths)}"


if __name__ == "__main__":
    try:
        main()
    except (UserError, OSError, yaml.YAMLError) as error:
        sys.exit(f"progress: {error}")
