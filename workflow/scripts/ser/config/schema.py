"""The configuration's schema, and its rules in words: for errors, and for config/README.md."""

import functools

import yaml

from ser.core import reference_data
from ser.core.paths import ROOT

PATH = ROOT / "workflow" / "schemas" / "config.schema.yaml"


@functools.cache
def schema() -> dict:
    """The whole schema. Whoever changes it changes it for all."""
    return yaml.load(PATH.read_text(encoding="utf-8"), reference_data.LOADER)


def resolved(rule: dict) -> dict:
    """A rule with what it refers to under `$defs`; what it says itself, as a description, goes first."""
    if "$ref" not in rule:
        return rule
    return schema()["$defs"][rule["$ref"].removeprefix("#/$defs/")] | rule


def conditional_defaults(rule: dict) -> dict[str, dict]:
    """Defaults that depend on another key, as `rank` on `method`: by key, the default for each value of the other."""
    found: dict[str, dict] = {}
    for clause in rule.get("allOf", []):
        ((_, values),) = clause["if"]["properties"].items()
        for key, then in clause["then"]["properties"].items():
            for value in values.get("enum", [values.get("const")]):
                found.setdefault(key, {})[value] = then["default"]
    return found


def bare(value) -> str:
    """A value as YAML writes it, text without quotes."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)


def written(value) -> str:
    """A value as YAML writes it, text in quotes."""
    return repr(value) if isinstance(value, str) else bare(value)


def allowed(rule: dict) -> str:
    """What a rule allows, in words that follow on "it must be"."""
    rule = resolved(rule)
    if "anyOf" in rule:
        return f"{allowed(rule['anyOf'][-1])}, or null"
    if "enum" in rule:
        return "one of " + ", ".join(map(bare, rule["enum"]))
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    return " or ".join(_kind(kind, rule) for kind in kinds)


def _kind(kind: str, rule: dict) -> str:
    match kind:
        case "string":
            return rule.get("title", "text")
        case "boolean":
            return "true or false"
        case "integer":
            return f"a whole number{_range(rule)}"
        case "number":
            return f"a number{_range(rule)}"
        case "array":
            named = rule["items"] == {"$ref": "#/$defs/name"}
            return "a list of names" if named else f"a list, each {allowed(rule['items'])}"
        case "object":
            return _keys(rule)
    return kind


def _keys(rule: dict) -> str:
    if rule.get("maxProperties") == 0:
        return "{}"
    entry = rule["additionalProperties"]
    if not entry:
        return f"keys with values ({', '.join(rule['properties'])})"
    entry = resolved(entry)
    return "names with entries" if entry.get("type") == "object" else f"names, each with {allowed(entry)}"


def _range(rule: dict) -> str:
    if "exclusiveMinimum" in rule:
        return f" more than {rule['exclusiveMinimum']}"
    if "maximum" in rule:
        return f" from {rule['minimum']} to {rule['maximum']}"
    return f" of at least {rule['minimum']}" if "minimum" in rule else ""
