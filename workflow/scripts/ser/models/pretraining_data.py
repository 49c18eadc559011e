"""What published checkpoints were pre-trained on, from `resources/checkpoints.yaml`."""

import functools

from ser.core import reference_data


def known() -> dict[str, dict]:
    """Return the facts of every published checkpoint."""
    return reference_data.read("checkpoints.yaml")


def facts(entry: dict) -> dict:
    """What is known of the pre-training of a model, by its entry in the configuration; nothing of an unknown one."""
    pretrained = "checkpoint" in entry and entry.get("weights", "pretrained") == "pretrained"
    return known().get(entry["checkpoint"], {}) if pretrained else {"data": "none"}


def met(entry: dict, language: str) -> str:
    """Whether a model met a language in pre-training: `yes`, `no`, or `unknown`.

    What is not in a partial list is unknown, and so is a name that stands in no list: it may be another name of a
    language that does. A model that was not pre-trained met none.
    """
    found = facts(entry)
    if found.get("data") == "none":
        return "no"
    if language in found.get("met", ()):
        return "yes"
    return "no" if found.get("list") == "complete" and language in named() else "unknown"


@functools.cache
def named() -> frozenset[str]:
    """Every language that some checkpoint met, by the name that the lists have for it."""
    return frozenset().union(*(entry["met"] for entry in known().values()))
