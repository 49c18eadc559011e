"""Reference data that ships with the workflow in `resources/`."""

import functools

import yaml

from ser.core.paths import RESOURCES

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, where libyaml is installed


@functools.cache
def read(name: str) -> dict:
    """Read a YAML file from `resources/`. The result is cached: do not modify it."""
    with open(RESOURCES / name, encoding="utf-8") as file:
        return yaml.load(file, LOADER)
