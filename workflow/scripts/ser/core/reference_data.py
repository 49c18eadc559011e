"""Small facts that ship with the workflow, in `resources/`."""

import functools

import yaml

from ser.core.paths import RESOURCES

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is


@functools.cache
def read(name: str) -> dict:
    """A shipped YAML file, read once. Do not change what it gives."""
    with open(RESOURCES / name, encoding="utf-8") as file:
        return yaml.load(file, LOADER)
