"""Why Snakemake plans a job, in words: which of its settings changed, from what to what."""

import ast
import re
from collections.abc import Iterator, Set
from textwrap import shorten

from snakemake import persistence

from ser.config.schema import written
from ser.core.errors import listing

NOT_DONE = "not there yet"
KINDS = {  # how a reason of Snakemake 9.27 begins -> what it means; of the ones that are not here nothing is said
    "Missing output files": NOT_DONE,
    "Incomplete output files": "interrupted",
    "Set of input files has changed": "takes other files than before",
    "Software environment definition has changed": "another software environment",
    "Forced execution": "asked for by --forcerun or --forceall",
}
UPDATED = re.compile(r"Updated input files: ([^;]+)")
SETTINGS = re.compile(r"Params have changed since last execution: (.*?)(?:; Software|$)")
BETWEEN = "; "
DIGEST = re.compile("[0-9a-f]{16}|[0-9a-f]{64}")  # of code, or of a file


def tell_changes() -> None:
    """Have Snakemake say what changed of a job's settings, where by itself it prints all of them twice."""
    persistence.ParamsChange.__str__ = lambda change: BETWEEN.join(changes(change.only_old, change.only_new))


def changes(before: Set[str], now: Set[str]) -> list[str]:
    """What differs between the settings of a job's outputs and those that it has now, as Snakemake records them."""
    try:
        (before,), (now,) = before, now
        return list(differences(ast.literal_eval(before), ast.literal_eval(now)))
    except (AttributeError, ValueError, SyntaxError):  # outputs of several pasts, or no settings
        return ["other settings"]


def differences(before: dict, now: dict, prefix: str = "") -> Iterator[str]:
    """What differs between two settings, key by key."""
    for key in sorted(before.keys() | now.keys()):
        name = f"{prefix}{key}"
        if key not in now:
            yield f"{name}: {_value(before[key])}, now absent"
        elif key not in before:
            yield f"{name}: {_value(now[key])}, absent before"
        elif isinstance(before[key], dict) and isinstance(now[key], dict):
            yield from differences(before[key], now[key], f"{name}.")
        elif before[key] != now[key]:
            values = f": {_value(before[key])}, now {_value(now[key])}"
            yield name + (" changed" if DIGEST.fullmatch(str(now[key])) else values)


def _value(value) -> str:
    return shorten(written(value), 80, placeholder=" ...").replace(BETWEEN.strip(), ",")


def causes(reason: str) -> list[str]:
    """What makes a job necessary by itself, as Snakemake words it; nothing of a job that follows from others alone."""
    found = [words for beginning, words in KINDS.items() if re.search(rf"(^|; ){re.escape(beginning)}", reason)]
    if updated := UPDATED.search(reason):
        found.append(f"changed: {listing(updated[1].split(', '))}")
    if changed := SETTINGS.search(reason):
        found += changed[1].strip().split(BETWEEN)
    return found
