"""What Snakemake 9.27 does again for every job, though the outcome is the same for all, done once.

A quarter of the time of a dry run (docs/benchmarks.md). A version without the names used here is left alone.
"""

import functools
import gc
from collections.abc import Callable, Mapping
from contextlib import suppress

import snakemake.common
import snakemake.rules


def prepare(workflow) -> None:
    """Have this process plan quickly."""
    # a graph of jobs is a million objects that all stay: to look for garbage among them takes long
    gc.set_threshold(50_000, 20, 100)
    with suppress(AttributeError):
        _remember_parameters()
    with suppress(AttributeError):
        # where the copy of a script is, which is asked for three times a job
        workflow.sourcecache._cache = functools.cache(workflow.sourcecache._cache)


def _remember_parameters() -> None:
    """Of the functions in rules, which are inspected some twenty times a job."""
    inspect, known = snakemake.common.get_function_params, {}

    def remembered(function: Callable) -> Mapping:
        key = getattr(function, "__func__", function)  # a bound method is a new object each time
        if key not in known:
            known[key] = inspect(function)
        return known[key]

    snakemake.common.get_function_params = snakemake.rules.get_function_params = remembered
