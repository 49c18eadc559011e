"""Check the configuration, explain mistakes and fill in defaults."""

import difflib
import re
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import NoReturn

import yaml
from jsonschema import Draft202012Validator, validators

from ser.config import schema
from ser.config.experiments import LEAVE_ONE_OUT, all_but, pairs_of, sets_of_leave_one_out
from ser.core.errors import UserError
from ser.core.paths import ADAPTED, ANY_TARGET, CALIBRATED, CLEAN
from ser.corpora import download
from ser.corpora.formats import CHECKSUMS, PUBLISHED
from ser.models import families

# JSON Schema accepts 5.0 as an integer and does not exclude NaN. Paths contain these numbers, so types are strict.
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


TUNING = _tuning()  # fine-tuning method -> its parameters and their defaults


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
        raise_problems(_without_inherited([message for error in errors for message in _explain(error)], likes))
    unknown_roles = list(_unknown_roles(config))
    _with_defaults(schema.schema()).validate(config)
    for model in config["models"].values():
        if model.get("revision", "") is None:
            del model["revision"]
    left_out = config["experiments"][LEAVE_ONE_OUT]
    if left_out and config["corpora"].keys() >= {*left_out["targets"], *left_out["sources"]}:
        config["source_sets"] = sets_of_leave_one_out(left_out, config["corpora"]) | config["source_sets"]
    if problems := [*unknown_roles, *_contradictions(config)]:
        raise_problems(_without_inherited(problems, likes))
    for model in config["models"].values():
        model["training"] = config["training"] | model.get("training", {})
    for corpus in config["corpora"].values():
        if "labels" in corpus:
            corpus["labels"] = {str(label): emotion for label, emotion in corpus["labels"].items()}  # as in a CSV
    return config


def _with_inherited(name: str, models: Mapping[str, dict], inheriting: tuple[str, ...] = ()) -> dict:
    """Return a model's entry with all other keys, except `title`, of the model that it is `like`."""
    entry = models[name]
    if not isinstance(entry, dict) or "like" not in entry:
        return entry
    other = entry["like"]
    if not isinstance(other, str) or not isinstance(models.get(other), dict):
        raise_problems([f"models.{name}.like: {other!r} is not among the models; {_nearest(str(other), models)}"])
    if other in (name, *inheriting):
        raise_problems([f"models.{name}.like: {other!r} is like {name!r} itself: write out the keys of one of the two"])
    inherited = _with_inherited(other, models, (name, *inheriting))
    return {key: value for key, value in inherited.items() if key != "title"} | {
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
    problems = [message for error in Strict(rule).iter_errors(model) for message in _explain(error)]
    if not problems and families.has_encoder(model):
        problems = [f"{key} is missing" for key in ("checkpoint", "tuning") if key not in model]
    if problems:
        raise_problems(problems, "the recorded model")
    _with_defaults(rule).validate(model)
    return {key: value for key, value in model.items() if key not in ("title", "training", "resources")}


def check_duplicate_keys(paths: Iterable[str | Path]) -> None:
    """Raise `UserError` listing duplicate keys, which YAML silently overwrites."""
    problems = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            keys = _duplicate_keys(yaml.compose(file, yaml.SafeLoader), "")
        problems += [f"{key}: duplicate key in {path}: remove or rename one of the two" for key in keys]
    if problems:
        raise_problems(problems)


def _duplicate_keys(node: yaml.Node | None, prefix: str):
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            name = f"{prefix}{key.value}"
            if (key.tag, name) in seen:  # the number 0 and the string "0" are different keys
                yield name
            seen.add((key.tag, name))
            yield from _duplicate_keys(value, f"{name}.")


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


def _explain(error) -> list[str]:
    """Return a message per mistake: key, value, what is allowed, nearest name."""
    if error.validator == "anyOf" and schema.is_optional(error.schema):  # report the errors of what is not null
        return [
            message for nested in error.context if nested.relative_schema_path[0] == 1 for message in _explain(nested)
        ]
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
        return [f"{key}: required key {name!r} is missing; it must be {schema.describe(rule['properties'][name])}"]
    if error.validator == "uniqueItems":
        duplicates = [item for index, item in enumerate(value) if item in value[:index]]
        return [f"{key}: {schema.to_quoted_yaml(item)} is listed twice" for item in duplicates]
    refused = f"{key}: {schema.to_quoted_yaml(value)} is not allowed"
    match error.validator:
        case "enum":
            return [f"{refused}; {_nearest(str(value), map(schema.to_yaml, error.validator_value))}"]
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


def _nearest(name: str, known) -> str:
    known = list(map(str, known))
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return (f"did you mean {close[0]!r}? " if close else "") + f"allowed are {', '.join(known)}"


def _unknown_roles(config: dict):
    """Yield a message for each unknown model in `claims`, except for its defaults."""
    for role, named in config.get("claims", {}).items():
        for name in named if isinstance(named, list) else [named]:
            if name not in config["models"]:
                yield f"claims.{role}: {name!r} is not among the models; {_nearest(name, config['models'])}"


def _contradictions(config: dict):
    """Yield unknown names and contradictory settings, which the schema cannot find."""
    for kind in ("corpora", "models", "conditions", "source_sets"):
        for name in config[kind]:
            if "-to-" in f"-{name}-" or name == ANY_TARGET:
                rule = f"a name must not be {ANY_TARGET!r}, contain '-to-', begin with 'to-' or end with '-to'"
                yield f"{kind}.{name}: {rule}"
    for name in (CALIBRATED, ADAPTED):
        if name in config["conditions"]:
            yield f"conditions.{name}: this name is kept for the experiment `adaptation`: rename the condition"
    for name, corpus in config["corpora"].items():
        yield from (f"corpora.{name}.{problem}" for problem in _corpus_problems(corpus))
    for name, model in config["models"].items():
        yield from (f"models.{name}.{problem}" for problem in _model_problems(model))
    if config["noise"]["path"] is None:  # your own folder may have other environments
        known = download.environments(config["noise"])
        for name, condition in config["conditions"].items():
            for environment in condition.get("environments", []):
                if environment not in known:
                    yield (
                        f"conditions.{name}.environments: {environment!r} is not published for noise of format"
                        f" {config['noise']['format']}; {_nearest(environment, known)}"
                    )
    roles = config["claims"]
    named = [roles["baseline"], roles["random"], *{roles["english"], roles["pretrained"]}, *roles["multilingual"]]
    for name in sorted({name for name in named if named.count(name) > 1}):
        yield f"claims: {name!r} has two roles; only english and pretrained may be the same model"
    for name, members in config["source_sets"].items():
        yield from (f"source_sets.{name}{problem}" for problem in _set_problems(name, members["corpora"], config))
    for name, experiment in config["experiments"].items():
        if experiment is not None:
            yield from (f"experiments.{name}.{problem}" for problem in _experiment_problems(name, experiment, config))


def _corpus_problems(corpus: dict):
    only = {"boredom": ("emodb",), "labels": ("table",), "verify": PUBLISHED}
    for key, formats in only.items():
        if key in corpus and corpus["format"] not in formats:
            yield f"{key}: not allowed for format {corpus['format']}, only for {', '.join(formats)}"
    if corpus.get("verify") == "sha256" and corpus["format"] not in CHECKSUMS:
        yield f"verify: no checksums are known for format {corpus['format']}; allowed are names, none"
    if corpus["path"] and corpus["url"]:
        yield "url: set either path or url, not both"
    if corpus["format"] == "table" and not corpus["path"]:
        yield "path: format table requires the path of the CSV that lists the audio files"


def _model_problems(model: dict):
    encoder_keys = ("checkpoint", "revision", "copy_of", "weights", "tuning", "pooling")
    if "features" in model and model["family"] != "svm":
        yield f"features: not allowed for family {model['family']}, only for svm"
    if not families.has_encoder(model):
        for key in (*encoder_keys, "context"):
            if key in model:
                yield f"{key}: not allowed for family {model['family']}, which has no encoder"
        return
    if "checkpoint" not in model:
        yield f"checkpoint: required for family {model['family']}"
    elif "revision" not in model and not is_local(model["checkpoint"]):
        yield (
            f"revision: {model['checkpoint']} is not a local folder; if it is a Hugging Face repository, set revision"
            " to one of its commits"
        )
    elif "revision" in model and _is_path(model["checkpoint"]):
        yield f"revision: {model['checkpoint']} is a local folder, which has no revision: remove it, or set it to null"
    if "copy_of" in model and not is_local(model.get("checkpoint", "")):
        yield f"copy_of: checkpoint {model['checkpoint']} is not a local folder: remove it"
    if "tuning" not in model:
        yield f"tuning: required for family {model['family']}, for example {{method: lora, rank: 16}}"
    else:
        yield from _tuning_problems(model)
    if "context" in model and model["family"] != "whisper":
        yield f"context: not allowed for family {model['family']}, only for whisper"


def is_local(checkpoint: str) -> bool:
    """Return whether a checkpoint is a local path, not a Hugging Face repository."""
    return Path(checkpoint).is_dir() or _is_path(checkpoint)


def _is_path(checkpoint: str) -> bool:
    """Return whether a checkpoint's name cannot be that of a repository, `owner/name`."""
    return checkpoint.startswith((".", "/", "~")) or checkpoint.count("/") > 1


def _tuning_problems(model: dict):
    tuning = model["tuning"]
    method = tuning["method"]
    for name in sorted(tuning.keys() - {"method"} - TUNING[method].keys()):
        yield f"tuning.{name}: method {method} has no such parameter; allowed are {', '.join(TUNING[method]) or 'none'}"
    if model.get("pooling", {}).get("layers") == 0 and method != "frozen":
        yield f"pooling.layers: 0 leaves no layers for method {method} to train; use at least 1"
    if model["family"] == "wavlm" and tuning.get("modules") == "attention":
        yield (
            "tuning.modules: attention is not allowed for family wavlm, since transformers' WavLM would ignore the"
            " updates; use feed-forward"
        )
    if model.get("weights") == "random" and method != "full":
        yield f"tuning.method: {method} would leave random weights untrained; `weights: random` requires method full"


def _set_problems(name: str, members: list[str], config: dict):
    corpora = config["corpora"]
    if name in corpora:
        yield f": {name!r} is a corpus too: rename one of the two"
    known = [member for member in members if member in corpora]
    for member in members:
        if member not in corpora:
            yield f".corpora: {member!r} is not among the corpora; {_nearest(member, corpora)}"
    for index, member in enumerate(known):
        for other in known[:index]:
            if _same(corpora[member], corpora[other]):
                yield f".corpora: {member!r} holds the same recordings as {other!r}: leave out one of the two"
    if len({corpora[member]["trim_db"] for member in known}) > 1:
        yield ".corpora: their `trim_db` differs, so there is none to classify new recordings with: set the same one"


def _experiment_problems(name: str, experiment: dict, config: dict):
    sources = experiment.get("sources", []) + ([experiment["source"]] if "source" in experiment else [])
    references = {
        "models": ("models", experiment["models"]),
        "targets": ("corpora", experiment["targets"]),
        "condition": ("conditions", [experiment["condition"]] if "condition" in experiment else []),
    }
    for key, (kind, names) in references.items():
        for unknown in names:
            if unknown not in config[kind]:
                yield f"{key}: {unknown!r} is not among the {kind}; {_nearest(unknown, config[kind])}"
    corpora, sets = config["corpora"], config["source_sets"]
    for unknown in sources:
        if unknown not in corpora.keys() | sets.keys():
            key = "sources" if "sources" in experiment else "source"
            yield f"{key}: {unknown!r} is not among the corpora; {_nearest(unknown, [*corpora, *sets])}"
    for source, target in pairs_of(name, experiment):
        members = [source] if source in corpora else sets.get(source, {"corpora": []})["corpora"]
        for member in members:
            if member == target and source not in corpora:
                yield f"targets: {target!r} is in the source set {source!r}; a target must be another corpus"
            elif member != target and {member, target} <= corpora.keys() and _same(corpora[member], corpora[target]):
                yield (
                    f"targets: {target!r} holds the same recordings as source {member!r} (same `path` or"
                    f" `url`, or both are the published {corpora[member]['format']}); a target must be another corpus"
                )
    if experiment.get("source") in experiment["targets"]:
        yield f"targets: {experiment['source']!r} is the source; a target must be another corpus"
    if "sources" in experiment and not pairs_of(name, experiment):
        yield "targets: the only target is the only source; a pair requires two corpora"
    if name == LEAVE_ONE_OUT:
        for source in sets.keys() & experiment["sources"]:
            yield f"sources: {source!r} is a source set; list corpora, of which a set is made for each target"
        for target in experiment["targets"]:
            if not sets.get(all_but(target), {"corpora": [None]})["corpora"]:
                yield f"sources: there is none in another language than target {target!r}"
    if experiment.get("condition") == CLEAN:
        yield "condition: 'clean' is the reference that the noisy condition is compared with; set a noisy condition"


def _same(corpus: dict, other: dict) -> bool:
    """Return whether two entries hold the same recordings, by path, URL or checks."""
    if corpus["format"] != other["format"]:
        return False
    if corpus["path"] and other["path"]:
        if Path(corpus["path"]).resolve() == Path(other["path"]).resolve():
            return True
    elif (corpus["path"], corpus["url"]) == (other["path"], other["url"]):
        return True
    return "none" not in (corpus.get("verify", "none"), other.get("verify", "none"))
