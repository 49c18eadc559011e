"""Write the table of configuration keys in config/README.md from the schema.

Usage: python workflow/scripts/config_reference.py
"""

import re
from collections.abc import Iterator

from ser.config import schema
from ser.config.schema import conditional_defaults, describe, resolved, to_yaml
from ser.core.files import write_text
from ser.core.paths import ROOT

README = ROOT / "config" / "README.md"
MARK = "<!-- From here on written by `make reference` from workflow/schemas/config.schema.yaml. -->\n"
PAIRS = {"$ref": "#/$defs/pairs"}  # keys that most experiments share: the text above their table names them
HEADER = "| key | may be | default | means |\n|---|---|---|---|\n"


def main() -> None:
    """Replace the text after the mark."""
    text = README.read_text(encoding="utf-8")
    write_text(README, with_reference(text))


def with_reference(text: str) -> str:
    """Return the README with the text after the mark replaced by the reference."""
    before, mark, _ = text.partition(MARK)
    if not mark:
        raise ValueError(f"config/README.md has no line {MARK.strip()}")
    return f"{before}{MARK}\n{reference()}"


def reference() -> str:
    """Return a table of simple keys, then a section for each key with nested keys."""
    whole = schema.schema()
    plain, sections = [], []
    for name, rule in whole["properties"].items():
        required = name in whole["required"]
        if rows := list(_rows_below(name, rule)):
            means = resolved(rule)["description"] + (" Required." if required else "")
            sections.append(f"\n### {name}\n\n{means}\n\n{HEADER}{''.join(rows)}")
        else:
            plain.append(_row(name, rule, required))
    return HEADER + "".join(plain) + "".join(sections)


def _rows_below(prefix: str, rule: dict) -> Iterator[str]:
    """Yield rows of nested keys with a description, depth first; `*` is any name."""
    rule = resolved(rule)
    if "anyOf" in rule:
        if rule["anyOf"][-1] == PAIRS or prefix.endswith("_converged"):  # has the keys of the one without this ending
            return
        rule = resolved(rule["anyOf"][-1])
    below = rule.get("properties", {}) if rule.get("type") == "object" else {}
    by_value = conditional_defaults(rule)
    for name, child in below.items():
        if "description" in child:
            yield _row(f"{prefix}.{name}", child, name in rule.get("required", []), by_value.get(name))
            yield from _rows_below(f"{prefix}.{name}", child)
    if isinstance(entry := rule.get("additionalProperties"), dict):
        yield from _rows_below(f"{prefix}.*", entry)


def _row(key: str, rule: dict, required: bool, default_by_value: dict | None = None) -> str:
    rule = resolved(rule)
    if default_by_value:
        groups: dict[str, list[str]] = {}
        for value, default in default_by_value.items():
            groups.setdefault(to_yaml(default), []).append(value)
        default = "; ".join(f"`{default}` ({', '.join(values)})" for default, values in groups.items())
    elif required:
        default = "*required*"
    else:
        default = f"`{_inline(rule['default'])}`" if "default" in rule else ""
    return f"| `{key}` | {_allowed_values(rule)} | {default} | {rule['description']} |\n"


def _allowed_values(rule: dict) -> str:
    """Return the values that a rule allows, in a shorter form than in errors."""
    if "enum" in rule:
        return ", ".join(f"`{to_yaml(value)}`" for value in rule["enum"])
    if rule.get("title", "").startswith("a name of letters,"):
        return "a name"
    return re.sub(r" \(.*\)", "", describe(rule))


def _inline(value) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_inline(item)}' for key, item in value.items())}}}"
    return to_yaml(value)


if __name__ == "__main__":
    main()
