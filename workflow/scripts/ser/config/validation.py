"""The configuration: checked, completed, and refused in words that say what to mend."""

import difflib
import re
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import NoReturn

import yaml
from jsonschema import Draft202012Validator, validators

from ser.config import schema
from ser.core.errors import UserError
from ser.core.paths import ANY_TARGET, CLEAN
from ser.corpora import download
from ser.corpora.formats import CHECKSUMS, PUBLISHED

# JSON takes 5.0 for an integer and knows no infinity; paths are made of these numbers, so they are taken literally.
Strict = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ).redefine(
        "number", lambda _, value: isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    ),
)


def _tuning() -> dict[str, dict]:
    rule = schema.schema()["$defs"]["model"]["properties"]["tuning"]
    defaults = schema.conditional_defaults(rule)
    return {
        method: {key: by_method[method] for key, by_method in defaults.items() if method in by_method}
        for method in rule["properties"]["method"]["enum"]
    }


TUNING = _tuning()  # the parameters of each way to tune an encoder, and their defaults


def load(config: Mapping) -> dict:
    """Check a configuration against the schema and itself, and fill in the defaults.

    Returns a new dictionary in which every model has its whole `training` settings. Raises
    `UserError` listing everything that is wrong, each with its key and what is allowed.
    """
    config = _plain(config)
    errors = sorted(Strict(schema.schema()).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        refuse([message for error in errors for message in _explain(error)])
    unknown_roles = list(_unknown_roles(config))
    _with_defaults(schema.schema()).validate(config)
    if problems := [*unknown_roles, *_contradictions(config)]:
        refuse(problems)
    for model in config["models"].values():
        model["training"] = config["training"] | model.get("training", {})
    for corpus in config["corpora"].values():
        if "labels" in corpus:
            corpus["labels"] = {str(label): emotion for label, emotion in corpus["labels"].items()}  # a CSV has text
    return config


def recorded_model(entry: Mapping) -> dict:
    """A model's entry as a run recorded it, without title, training and resources, checked and complete.

    Raises `UserError` listing what is wrong: a record may come from anywhere.
    """
    model = {"title": "recorded"} | _plain(entry)
    definitions = schema.schema()["$defs"]
    rule = definitions["model"] | {"$defs": definitions}
    problems = [message for error in Strict(rule).iter_errors(model) for message in _explain(error)]
    if not problems and model["family"] != "cnn-lstm":
        problems = [f"{key} is missing" for key in ("checkpoint", "tuning") if key not in model]
    if problems:
        refuse(problems, "the recorded model")
    _with_defaults(rule).validate(model)
    return {key: value for key, value in model.items() if key not in ("title", "training", "resources")}


def refuse_repeated_keys(paths: Iterable[str | Path]) -> None:
    """Raise `UserError` naming what YAML files give twice in one place: YAML keeps the last of them without a word."""
    problems = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            keys = _repeated(yaml.compose(file, yaml.SafeLoader), "")
        problems += [f"{key}: is there twice in {path}; remove one, or give it another name" for key in keys]
    if problems:
        refuse(problems)


def _repeated(node: yaml.Node | None, prefix: str):
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            name = f"{prefix}{key.value}"
            if (key.tag, name) in seen:  # the number 0 and the text "0" are two keys
                yield name
            seen.add((key.tag, name))
            yield from _repeated(value, f"{name}.")


def refuse(problems: list[str], what: str = "the configuration") -> NoReturn:
    """Raise `UserError` listing what is wrong."""
    raise UserError(f"{what} cannot be used:\n" + "\n".join(f"  - {problem}" for problem in problems))


def _plain(value):
    """A deep copy in plain dictionaries and lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _with_defaults(schema):
    """A validator that sets absent properties to their defaults before it looks inside them."""
    check = Strict.VALIDATORS["properties"]

    def fill_in(validator, properties, instance, schema):
        if isinstance(instance, dict):
            for name, subschema in properties.items():
                if "default" in subschema:
                    instance.setdefault(name, _plain(subschema["default"]))
        yield from check(validator, properties, instance, schema)

    return validators.extend(Strict, {"properties": fill_in})(schema)


def _explain(error) -> list[str]:
    """One sentence per mistake: key, value, what is allowed, and the nearest valid name."""
    if error.validator == "anyOf":  # our alternatives are null or one real schema: that one speaks
        branches = [list(branch) for branch in _by_branch(error.context).values()]
        return [message for nested in branches[-1] for message in _explain(nested)]
    key = ".".join(map(str, error.absolute_path)) or "the configuration"
    value, rule = error.instance, error.schema
    if error.validator == "additionalProperties":
        known = sorted(rule.get("properties", {}))
        unknown = sorted(set(value) - set(known), key=str)
        where = f"{key}." if error.absolute_path else ""
        return [f"{where}{name}: unknown key; {_nearest(str(name), known)}" for name in unknown]
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in value]
        name = next(name for name in missing if error.message.startswith(repr(name)))
        return [f"{key}: {name!r} is missing; it is {schema.allowed(rule['properties'][name])}"]
    if error.validator == "uniqueItems":
        again = [item for place, item in enumerate(value) if item in value[:place]]
        return [f"{key}: {schema.written(item)} is listed twice" for item in again]
    refused = f"{key}: {schema.written(value)} is not allowed"
    match error.validator:
        case "enum":
            return [f"{refused}; {_nearest(str(value), map(schema.bare, error.validator_value))}"]
        case "minItems" | "minProperties" | "minLength":
            return [f"{refused}; it may not be empty"]
        case "maxProperties":
            return [f"{refused}; it must be {schema.allowed(rule)}: what is set here belongs under another name"]
        case _:
            return [f"{refused}; it must be {schema.allowed(rule)}{_yaml_hint(value)}"]


def _yaml_hint(value) -> str:
    """What YAML made of a number without a decimal point."""
    if isinstance(value, str) and (number := re.fullmatch(r"(\d+)e(-?\d+)", value)):
        return f" (YAML reads {value} as text: write {number[1]}.0e{number[2]})"
    return ""


def _by_branch(errors) -> dict:
    branches: dict = {}
    for error in errors:
        branches.setdefault(error.relative_schema_path[0], []).append(error)
    return dict(sorted(branches.items()))


def _nearest(name: str, known) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return (f"did you mean {close[0]!r}? " if close else "") + f"allowed are {', '.join(known)}"


def _unknown_roles(config: dict):
    """Models that `claims` names and the configuration lacks; its defaults may be absent, what is written may not."""
    for role, named in config.get("claims", {}).items():
        for name in named if isinstance(named, list) else [named]:
            if role != "margin" and name not in config["models"]:
                yield f"claims.{role}: {name!r} is not among the models; {_nearest(name, config['models'])}"


def _contradictions(config: dict):
    """What the schema cannot say: names that must exist, and settings that make no sense together."""
    for kind in ("corpora", "models", "conditions"):
        for name in config[kind]:
            if "-to-" in f"-{name}-" or name == ANY_TARGET:
                yield f"{kind}.{name}: a name may not be {ANY_TARGET!r}, nor have 'to' between dashes or at an end"
    for name, corpus in config["corpora"].items():
        yield from (f"corpora.{name}.{problem}" for problem in _corpus_problems(corpus))
    for name, model in config["models"].items():
        yield from (f"models.{name}.{problem}" for problem in _model_problems(model))
    if config["noise"]["path"] is None:  # a folder of one's own may hold others
        known = download.environments(config["noise"])
        for name, condition in config["conditions"].items():
            for environment in condition.get("environments", []):
                if environment not in known:
                    yield (
                        f"conditions.{name}.environments: {environment!r} is not published for noise of format"
                        f" {config['noise']['format']}; {_nearest(environment, known)}"
                    )
    roles = config["claims"]
    named = [roles["baseline"], roles["random"], roles["english"], *roles["multilingual"]]
    for name in sorted({name for name in named if named.count(name) > 1}):
        yield f"claims: {name!r} has two roles; baseline, random, english and multilingual are different models"
    for name, experiment in config["experiments"].items():
        if experiment is not None:
            yield from (f"experiments.{name}.{problem}" for problem in _experiment_problems(experiment, config))


def _corpus_problems(corpus: dict):
    only = {"boredom": ("emodb",), "labels": ("table",), "verify": PUBLISHED}
    for key, formats in only.items():
        if key in corpus and corpus["format"] not in formats:
            yield f"{key}: only format {' or '.join(formats)} has it, this is {corpus['format']}"
    if corpus.get("verify") == "sha256" and corpus["format"] not in CHECKSUMS:
        yield f"verify: no sha256 is known for format {corpus['format']}; allowed are names, none"
    if corpus["path"] and corpus["url"]:
        yield "url: give either a path or a url, not both"
    if corpus["format"] == "table" and not corpus["path"]:
        yield "path: format table needs one, the CSV that names the audio files"


def _model_problems(model: dict):
    encoder_keys = ("checkpoint", "revision", "weights", "tuning")
    if model["family"] == "cnn-lstm":
        for key in (*encoder_keys, "context"):
            if key in model:
                yield f"{key}: family cnn-lstm has no encoder, so this means nothing"
        return
    if "checkpoint" not in model:
        yield f"checkpoint: family {model['family']} needs one"
    elif "revision" not in model and not is_local(model["checkpoint"]):
        yield (
            f"revision: {model['checkpoint']} is no local folder, so it is a Hugging Face repository, and needs the"
            " commit that pins it"
        )
    if "tuning" not in model:
        yield f"tuning: family {model['family']} needs one, for example {{method: lora, rank: 16}}"
    else:
        yield from _tuning_problems(model["tuning"], model.get("weights", "pretrained"))
    if "context" in model and model["family"] != "whisper":
        yield f"context: only family whisper has it, this is {model['family']}"


def is_local(checkpoint: str) -> bool:
    """Whether a checkpoint is a folder, or a path that no repository's name can be, and not a repository."""
    return Path(checkpoint).is_dir() or checkpoint.startswith((".", "/", "~")) or checkpoint.count("/") > 1


def _tuning_problems(tuning: dict, weights: str):
    method = tuning["method"]
    for name in sorted(tuning.keys() - {"method"} - TUNING[method].keys()):
        yield f"tuning.{name}: method {method} has no such parameter; it has {', '.join(TUNING[method]) or 'none'}"
    if weights == "random" and method != "full":
        yield (
            f"tuning.method: {method} would keep random weights as they are; with `weights: random` everything is"
            " trained, which is method full"
        )


def _experiment_problems(experiment: dict, config: dict):
    references = {
        "models": ("models", experiment["models"]),
        "sources": ("corpora", experiment.get("sources", [])),
        "source": ("corpora", [experiment["source"]] if "source" in experiment else []),
        "targets": ("corpora", experiment["targets"]),
        "condition": ("conditions", [experiment["condition"]] if "condition" in experiment else []),
    }
    for key, (kind, names) in references.items():
        for name in names:
            if name not in config[kind]:
                yield f"{key}: {name!r} is not among the {kind}; {_nearest(name, config[kind])}"
    corpora = config["corpora"]
    for source in references["sources"][1] + references["source"][1]:
        for target in experiment["targets"]:
            if source != target and {source, target} <= corpora.keys() and _same(corpora[source], corpora[target]):
                yield (
                    f"targets: {target!r} holds the recordings of source {source!r} (both are the same"
                    f" {corpora[source]['format']}): trained and tested on the same speakers, a pair means nothing"
                )
    if experiment.get("source") in experiment["targets"]:
        yield f"targets: {experiment['source']!r} is the source; a target must be another corpus"
    if (
        "sources" in experiment
        and {*experiment["sources"]} == {*experiment["targets"]}
        and len(experiment["sources"]) == 1
    ):
        yield "targets: the only target is the only source; a pair needs two corpora"
    if experiment.get("condition") == CLEAN:
        yield "condition: 'clean' is what the noisy condition is compared with; name another"


def _same(corpus: dict, other: dict) -> bool:
    """Whether two entries are variants of one corpus: of one place, or of one published corpus by their checks."""
    if corpus["format"] != other["format"]:
        return False
    if corpus["path"] and other["path"]:
        if Path(corpus["path"]).resolve() == Path(other["path"]).resolve():
            return True
    elif (corpus["path"], corpus["url"]) == (other["path"], other["url"]):
        return True
    return "none" not in (corpus.get("verify", "none"), other.get("verify", "none"))
