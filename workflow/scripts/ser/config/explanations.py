"""Messages on mistakes that JSON Schema finds in a configuration."""

import difflib
import re

from ser.config import schema


def explain(error) -> list[str]:
    """Return a message per mistake: key, value, what is allowed, nearest name."""
    if error.validator == "anyOf" and schema.is_optional(error.schema):  # report the errors of what is not null
        return [
            message for nested in error.context if nested.relative_schema_path[0] == 1 for message in explain(nested)
        ]
    key = ".".join(map(str, error.absolute_path)) or "the configuration"
    value, rule = error.instance, error.schema
    if error.validator == "additionalProperties":
        known = sorted(rule.get("properties", {}))
        unknown = sorted(set(value) - set(known), key=str)
        where = f"{key}." if error.absolute_path else ""
        return [f"{where}{name}: unknown key; {nearest(str(name), known)}" for name in unknown]
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in value]
        name = next(name for name in missing if error.message.startswith(repr(name)))
        message = f"{key}: required key {name!r} is missing; it must be {schema.describe(rule['properties'][name])}"
        changes = "" if error.absolute_path else ". If your file changes another, give both: --configfile OTHER YOURS"
        return [message + changes]
    if error.validator == "uniqueItems":
        duplicates = [item for index, item in enumerate(value) if item in value[:index]]
        return [f"{key}: {schema.to_quoted_yaml(item)} is listed twice" for item in duplicates]
    refused = f"{key}: {schema.to_quoted_yaml(value)} is not allowed"
    match error.validator:
        case "enum":
            return [f"{refused}; {nearest(str(value), map(schema.to_yaml, error.validator_value))}"]
        case "minItems" | "minProperties" | "minLength":
            return [f"{refused}; it must not be empty"]
        case "maxProperties":
            return [f"{refused}; it must be {schema.describe(rule)}; define a noisy condition under another name"]
        case _:
            return [f"{refused}; it must be {schema.describe(rule)}{_yaml_hint(value)}"]


def _yaml_hint(value) -> str:
    """Return a hint if YAML read a number without a decimal point as text."""
    if isinstance(value, str) and (number := re.fullmatch(r"(\d+)e(-?\d+)", value)):
        return f" (YAML reads {value} as text: write {number[1]}.0e{number[2]})"
    return ""


def nearest(name: str, known) -> str:
    """Return the most similar allowed name, if there is one, and all that are allowed."""
    known = list(map(str, known))
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return (f"did you mean {close[0]!r}? " if close else "") + f"allowed are {', '.join(known)}"
