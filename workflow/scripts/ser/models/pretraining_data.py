"""Pre-training data of published checkpoints, from `resources/checkpoints.yaml`."""

import functools
from collections.abc import Mapping

from ser.core import reference_data


def known() -> dict[str, dict]:
    """Return the facts about every published checkpoint."""
    return reference_data.read("checkpoints.yaml")


def facts(entry: dict) -> dict:
    """Return the facts about a model's pre-training, empty for an unknown checkpoint."""
    pretrained = "checkpoint" in entry and entry.get("weights", "pretrained") == "pretrained"
    return known().get(repository(entry), {}) if pretrained else {"data": "none"}


def repository(entry: Mapping) -> str | None:
    """Return a model's checkpoint, of a local copy the repository that it is published in; None without an encoder."""
    return entry.get("copy_of", entry.get("checkpoint"))


def seen(entry: dict, language: str) -> str:
    """Return `yes`, `no` or `unknown`: whether pre-training data has the language, in any case.

    The answer is `unknown` if the checkpoint's list is partial and lacks the language. It is also `unknown` if no
    checkpoint's list has this name, which may be another name of a listed language. Without pre-training it is `no`.
    """
    known_facts = facts(entry)
    if known_facts.get("data") == "none":
        return "no"
    language = language.strip().casefold()
    if language in map(str.casefold, known_facts.get("seen", ())):
        return "yes"
    return "no" if known_facts.get("list") == "complete" and language in listed_languages() else "unknown"


@functools.cache
def listed_languages() -> frozenset[str]:
    """Return the names of all languages in the pre-training data of any checkpoint, in lower case."""
    return frozenset(language.casefold() for entry in known().values() for language in entry["seen"])
