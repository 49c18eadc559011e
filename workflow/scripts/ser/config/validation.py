"""Check the configuration, explain mistakes and fill in defaults."""

import re
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import NoReturn

import yaml
from jsonschema import Draft202012Validator, validators

from ser.config import schema
from ser.config.contradictions import contradictions, unknown_roles
from ser.config.experiments import LEAVE_ONE_OUT, sets_of_leave_one_out
from ser.config.explanations import explain, nearest
from ser.core.errors import UserError
from ser.models import families

# JSON Schema accepts 5.0 as an integer and does not exclude NaN. Paths contain these numbers, so types are strict.
Strict = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ).redefine(
        "number",
        lambda checker, value: checker.is_type(value, "integer") or (isinstance(value, float) and isfinite(value)),
    ),
)

CHANGED_NUMBER = re.compile(r"[-+]?(0[0-9_]+|[0-9_]+(:[0-9_.]+)+)")  # octal, or to the base of 60


def load(config: Mapping) -> dict:
    """Check a configuration against the schema and itself, and fill in the defaults.

    Returns a new dictionary in which every model has complete `training` settings. Raises
    `UserError` listing every mistake with its key and what is allowed.
    """
    config = _plain(config)
    likes = {}
    if isinstance(models := config.get("models"), dict):
        likes = {name: entry["like"] for name, entry in models.items() if isinstance(entry, dict) and "like" in entry}
        config["models"] = {name: _with_inherited(name, models) for name in models}
    errors = sorted(Strict(schema.schema()).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise_problems(_without_inherited([message for error in errors for message in explain(error)], likes))
    problems = list(unknown_roles(config))  # before defaults name models that need not be configured
    _with_defaults(schema.schema()).validate(config)
    for model in config["models"].values():
        for key in ("revision", "copy_of"):
            if model.get(key, "") is None:
                del model[key]
    left_out = config["experiments"][LEAVE_ONE_OUT]
    if left_out and config["corpora"].keys() >= {*left_out["targets"], *left_out["sources"]}:
        own, made = config["source_sets"], sets_of_leave_one_out(left_out, config["corpora"])
        taken = [name for name in made if own.get(name, made[name]) != made[name]]
        problems += [f"source_sets.{name}: this name is kept for {LEAVE_ONE_OUT}: rename the set" for name in taken]
        config["source_sets"] = own | made
    problems += contradictions(config)
    if problems:
        raise_problems(_without_inherited(problems, likes))
    for model in config["models"].values():
        model["training"] = config["training"] | model.get("training", {})
    for corpus in config["corpora"].values():
        if "labels" in corpus:
            corpus["labels"] = {str(label): emotion for label, emotion in corpus["labels"].items()}  # as in a CSV
    return config


def _with_inherited(name: str, models: Mapping[str, dict], inheriting: tuple[str, ...] = ()) -> dict:
    """Return a model's entry with all other keys of the model that it is `like`.

    Except its `title`, and what is true of its checkpoint or family if the entry has another.
    """
    entry = models[name]
    if not isinstance(entry, dict) or "like" not in entry:
        return entry
    other = entry["like"]
    if not isinstance(other, str) or not isinstance(models.get(other), dict):
        raise_problems([f"models.{name}.like: {other!r} is not among the models; {nearest(str(other), models)}"])
    if other in (name, *inheriting):
        raise_problems([f"models.{name}.like: {other!r} is like {name!r} itself: write out the keys of one of the two"])
    inherited = _with_inherited(other, models, (name, *inheriting))
    own = {"title"}
    if entry.get("checkpoint", inherited.get("checkpoint")) != inherited.get("checkpoint"):
        own |= {"copy_of", "revision"}
    if entry.get("family", inherited.get("family")) != inherited.get("family"):
        own |= {"context", "features"}
    return {key: value for key, value in inherited.items() if key not in own} | {
        key: value for key, value in entry.items() if key != "like"
    }


def _without_inherited(problems: list[str], likes: Mapping[str, str]) -> list[str]:
    """Return the problems without those that a model has from the model that it is `like`."""
    inherited = {
        problem
        for problem in problems
        for name, other in likes.items()
        if problem.startswith((f"models.{name}.", f"models.{name}:")) and problem.replace(name, other, 1) in problems
    }
    return [problem for problem in problems if problem not in inherited]


def recorded_model(entry: Mapping) -> dict:
    """Check the model settings of a run record and fill in defaults.

    Returns them without title, training and resources. Raises `UserError` listing what is wrong: the record may be
    of an exported model from elsewhere.
    """
    model = {"title": "recorded"} | _plain(entry)
    definitions = schema.schema()["$defs"]
    rule = definitions["model"] | {"$defs": definitions}
    problems = [message for error in Strict(rule).iter_errors(model) for message in explain(error)]
    if not problems and families.has_encoder(model):
        problems = [f"{key} is missing" for key in ("checkpoint", "tuning") if key not in model]
    if problems:
        raise_problems(problems, "the recorded model")
    _with_defaults(rule).validate(model)
    return {key: value for key, value in model.items() if key not in ("title", "training", "resources")}


def check_files(paths: Iterable[str | Path]) -> None:
    """Raise `UserError` listing what YAML silently changes: duplicate keys, and numbers that it reads as others."""
    problems = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            changes = list(_silent_changes(yaml.compose(file, yaml.SafeLoader), ""))
        problems += [f"{key}: {problem} in {path}: {remedy}" for key, problem, remedy in changes]
    if problems:
        raise_problems(problems)


def _silent_changes(node: yaml.Node | None, prefix: str):
    """Yield the key, the problem and the remedy of each."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            name, read = f"{prefix}{key.value}", yaml.safe_load(yaml.serialize(key))
            if read in seen:  # the number 0 and the text "0" are different keys
                yield name, "duplicate key", "remove or rename one of the two"
            seen.add(read)
            yield from _silent_changes(key, f"{name}.")
            yield from _silent_changes(value, f"{name}.")
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _silent_changes(item, prefix)
    elif isinstance(node, yaml.ScalarNode) and CHANGED_NUMBER.fullmatch(node.value) and not node.style:
        read = yaml.safe_load(node.value)
        if isinstance(read, int | float):
            yield prefix[:-1], f"YAML reads {node.value} as {read}", "write a number without leading zeros or colons"


def raise_problems(problems: list[str], subject: str = "the configuration") -> NoReturn:
    """Raise `UserError` listing what is wrong."""
    raise UserError(f"{subject} cannot be used:\n" + "\n".join(f"  - {problem}" for problem in problems))


def _plain(value):
    """Return a deep copy in plain dictionaries and lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _with_defaults(schema):
    """Return a validator that fills in defaults before checking."""
    check = Strict.VALIDATORS["properties"]

    def fill_in(validator, properties, instance, schema):
        if isinstance(instance, dict):
            for name, subschema in properties.items():
                if "default" in subschema:
                    instance.setdefault(name, _plain(subschema["default"]))
        yield from check(validator, properties, instance, schema)

    return validators.extend(Strict, {"properties": fill_in})(schema)
