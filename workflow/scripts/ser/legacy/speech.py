"""How much speech a corpus holds: as ingested, else as published, else as can be guessed from what is there."""

import csv
import functools
import os
from collections.abc import Mapping
from pathlib import Path

from ser.core import reference_data
from ser.core.errors import UserError
from ser.core.paths import is_made_by_demo
from ser.corpora.formats import csv_table
from ser.legacy.costs import Speech

ASSUMED = Speech(utterances=1000, seconds=3000, longest=15)
LOOKED_AT = 20  # files of a table whose headers are read
TIMES_THE_MEAN = 3  # the longest utterance, where not all are looked at


def ingested(corpus: str) -> Speech | None:
    """What a corpus that was ingested in the working directory holds; None before that."""
    path = f"results/corpora/{corpus}/utterances.csv"
    try:
        status = os.stat(path)
        return _as_it_was(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError, KeyError):
        return None


@functools.cache
def _as_it_was(path: str, changed: int, size: int) -> Speech:
    """Of a file at a time: in a later state it is read again."""
    with open(path, newline="", encoding="utf-8") as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    return Speech(len(seconds), sum(seconds), max(seconds))


def expected(name: str, entry: Mapping) -> tuple[Speech, str]:
    """What a corpus holds that is not ingested yet, and in words where that is from.

    Args:
        entry: the corpus's, of a configuration whose relative paths are the working directory's.
    """
    if is_made_by_demo(entry["path"]):
        known = reference_data.read("sources.yaml")["demo"].get(Path(entry["path"]).name.split(".")[0])
        return (Speech(**known), f"{name}: as the demo spoke it once") if known else _assumed(name)
    if entry["format"] == "table":
        return _listed(name, entry["path"])
    published = reference_data.read("sources.yaml")["corpora"].get(entry["format"], {})
    known = published.get("speech_without_boredom" if entry.get("boredom") == "drop" else "speech")
    if known is None:
        return _assumed(name)
    numbers = {key: known[key] for key in ("utterances", "seconds", "longest")}
    return Speech(**numbers), f"{name}: as published, {_in_words(Speech(**numbers))}"


def _listed(name: str, path: str) -> tuple[Speech, str]:
    """Of a table: as many utterances as it has files, as long in the mean as some of them are by their headers."""
    import soundfile  # here, since Snakemake imports this module while it starts

    try:
        files = csv_table.audio_files(path)
        seconds = [soundfile.info(file).duration for file in files[:: max(1, len(files) // LOOKED_AT)]]
    except (UserError, OSError, RuntimeError):  # ingestion will say what is wrong
        return _assumed(name)
    mean, longest = sum(seconds) / len(seconds), max(seconds)
    if len(seconds) < len(files):
        longest = max(TIMES_THE_MEAN * mean, longest)
    speech = Speech(len(files), mean * len(files), longest)
    return speech, f"{name}: by the headers of {len(seconds)} of its files, {_in_words(speech)}"


def _assumed(name: str) -> tuple[Speech, str]:
    return ASSUMED, f"{name}: not known before it is ingested; assumed, {_in_words(ASSUMED)}"


def _in_words(speech: Speech) -> str:
    return f"{speech.utterances:,.0f} utterances, {speech.seconds:,.0f} s, the longest {speech.longest:.0f} s"
