"""Configuration schema, and descriptions of its rules for readers."""

import functools

import yaml

from ser.core import reference_data
from ser.core.paths import ROOT

PATH = ROOT / "workflow" / "schemas" / "config.schema.yaml"


@functools.cache
def schema() -> dict:
    """Return the whole schema. It is shared: do not modify it."""
    return yaml.load(PATH.read_text(encoding="utf-8"), reference_data.LOADER)


def resolved(rule: dict) -> dict:
    """Return a rule with its `$ref` resolved; the rule's own keys take precedence."""
    if "$ref" not in rule:
        return rule
    return schema()["$defs"][rule["$ref"].removeprefix("#/$defs/")] | rule


def conditional_defaults(rule: dict) -> dict[str, dict]:
    """Return defaults that depend on another key: key -> other value -> default."""
    found: dict[str, dict] = {}
    for clause in rule.get("allOf", []):
        ((_, values),) = clause["if"]["properties"].items()
        for key, then in clause["then"]["properties"].items():
            for value in values.get("enum", [values.get("const")]):
                found.setdefault(key, {})[value] = then["default"]
    return found


def to_yaml(value) -> str:
    """Return a value as in YAML, with strings unquoted."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)


def to_quoted_yaml(value) -> str:
    """Return a value as in YAML, with strings quoted."""
    return repr(value) if isinstance(value, str) else to_yaml(value)


def describe(rule: dict) -> str:
    """Return a description of the values that a rule allows, to follow "it must be"."""
    rule = resolved(rule)
    if is_optional(rule):
        return f"{describe(rule['anyOf'][-1])}, or null"
    if "anyOf" in rule:
        return rule["title"]
    if "enum" in rule:
        return "one of " + ", ".join(map(to_yaml, rule["enum"]))
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    return " or ".join(_describe_type(kind, rule) for kind in kinds)


def is_optional(rule: dict) -> bool:
    """Return whether a rule has two alternatives, of which the first is null."""
    return rule.get("anyOf", [None])[0] == {"type": "null"}


def _describe_type(kind: str, rule: dict) -> str:
    match kind:
        case "string":
            return rule.get("title", "text")
        case "boolean":
            return "true or false"
        case "integer":
            return f"a whole number{_describe_range(rule)}"
        case "number":
            return f"a number{_describe_range(rule)}"
        case "array":
            has_names = rule["items"] == {"$ref": "#/$defs/name"}
            return "a list of names" if has_names else f"a list, each {describe(rule['items'])}"
        case "object":
            return _describe_keys(rule)
    return kind


def _describe_keys(rule: dict) -> str:
    if rule.get("maxProperties") == 0:
        return "{}"
    entry = rule["additionalProperties"]
    if not entry:
        return f"keys with values ({', '.join(rule['properties'])})"
    entry = resolved(entry)
    return "names with entries" if entry.get("type") == "object" else f"names, each with {describe(entry)}"


def _describe_range(rule: dict) -> str:
    if "exclusiveMinimum" in rule:
        return f" more than {rule['exclusiveMinimum']}"
    if "maximum" in rule:
        return f" from {rule['minimum']} to {rule['maximum']}"
    return f" of at least {rule['minimum']}" if "minimum" in rule else ""
