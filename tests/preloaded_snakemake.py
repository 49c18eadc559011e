"""Snakemake in a process forked from one that has imported it already: the tests start it hundreds of times."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["snakemake.cli", "jsonschema", "numpy", "pandas", "scipy.optimize", "soundfile", "soxr"])


def run(arguments: list[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run Snakemake in a folder; return its exit status, and stdout and stderr together.

    Its jobs are processes like those of the command line.
    """
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as output:
        process = FORKED.Process(target=_main, args=(arguments, folder, dict(environment), output.name))
        process.start()
        process.join()
        return process.exitcode, output.read()


def _main(arguments, folder, environment, output):
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = True  # sources are edited
    sys.path[:] = [path for path in sys.path if not path.endswith("workflow/scripts")]  # the copy has its own
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    from snakemake.cli import main

    sys.exit(main(arguments))
