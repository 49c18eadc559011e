"""Unknown names and contradictory settings of a configuration, which its schema cannot find."""

from collections import Counter
from itertools import combinations
from pathlib import Path

from ser.config import schema
from ser.config.experiments import LEAVE_ONE_OUT, WITHIN, all_but, pairs_of
from ser.config.explanations import nearest
from ser.core import identity
from ser.core.constants import EMOTIONS
from ser.core.encoder_paths import encoder_folder, encoder_name
from ser.core.paths import ADAPTED, ANY_TARGET, CALIBRATED, CLEAN
from ser.corpora import download, formats
from ser.models import families


def _tuning() -> dict[str, dict]:
    rule = schema.schema()["$defs"]["model"]["properties"]["tuning"]
    defaults = schema.conditional_defaults(rule)
    return {
        method: {key: by_method[method] for key, by_method in defaults.items() if method in by_method}
        for method in rule["properties"]["method"]["enum"]
    }


TUNING = _tuning()  # fine-tuning method -> its parameters and their defaults


def unknown_roles(config: dict):
    """Yield a message for each unknown model in `claims`.

    It is called before defaults are filled in: models that are roles by default need not be configured.
    """
    for role, named in config.get("claims", {}).items():
        for name in named if isinstance(named, list) else [named]:
            if name not in config["models"]:
                yield f"claims.{role}: {name!r} is not among the models; {nearest(name, config['models'])}"


def contradictions(config: dict):
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
    yield from _shared_encoders(config["models"])
    if config["noise"]["path"] is None:  # your own folder may have other environments
        known = download.environments(config["noise"])
        for name, condition in config["conditions"].items():
            for environment in condition.get("environments", []):
                if environment not in known:
                    yield (
                        f"conditions.{name}.environments: {environment!r} is not published for noise of format"
                        f" {config['noise']['format']}; {nearest(environment, known)}"
                    )
    roles = config["claims"]
    named = [roles["baseline"], roles["random"], *{roles["english"], roles["pretrained"]}, *roles["multilingual"]]
    for name in sorted({name for name in named if named.count(name) > 1}):
        yield f"claims: {name!r} has two roles; only english and pretrained may be the same model"
    left_out = config["experiments"][LEAVE_ONE_OUT] or {"targets": []}
    made = {all_but(target) for target in left_out["targets"]}
    found = {}
    for name, members in config["source_sets"].items():
        if name in config["corpora"]:
            yield f"source_sets.{name}: {name!r} is a corpus too: rename one of the two"
        key = f"experiments.{LEAVE_ONE_OUT}.sources" if name in made else f"source_sets.{name}.corpora"
        found |= dict.fromkeys(f"{key}: {problem}" for problem in _set_problems(members["corpora"], config["corpora"]))
    yield from found
    for name, experiment in config["experiments"].items():
        if experiment is not None:
            yield from (f"experiments.{name}.{problem}" for problem in _experiment_problems(name, experiment, config))


def _corpus_problems(corpus: dict):
    only = {"boredom": ("emodb",), "labels": ("table",), "verify": formats.PUBLISHED}
    for key, allowed in only.items():
        if key in corpus and corpus["format"] not in allowed:
            yield f"{key}: not allowed for format {corpus['format']}, only for {', '.join(allowed)}"
    if corpus.get("verify") == "sha256" and not hasattr(formats.load(corpus["format"]), "CHECKSUMS"):
        yield f"verify: no checksums are known for format {corpus['format']}; allowed are names, none"
    labels: dict = {}
    for label in corpus.get("labels") or ():
        if (other := labels.setdefault(identity.normalise(str(label)), label)) is not label:
            yield f"labels: {other!r} and {label!r} are one label: remove one of the two"
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
    if "checkpoint" in model and not encoder_name(model):
        yield f"checkpoint: {model['checkpoint']} has no name: give the folder's absolute path"
    if "checkpoint" not in model:
        yield f"checkpoint: required for family {model['family']}"
    elif "revision" in model and _is_path(model["checkpoint"]):
        yield f"revision: {model['checkpoint']} is a local folder, which has no revision: remove it, or set it to null"
    if {"copy_of", "revision"} <= model.keys():
        yield "copy_of: only for a local folder, and revision is only for a repository: remove one of the two"
    if "tuning" not in model:
        yield f"tuning: required for family {model['family']}, for example {{method: lora, rank: 16}}"
    else:
        yield from _tuning_problems(model)
    if "context" in model and model["family"] != "whisper":
        yield f"context: not allowed for family {model['family']}, only for whisper"


def _shared_encoders(models: dict):
    first: dict[str, str] = {}
    for name, model in models.items():
        if "checkpoint" in model:
            other = models[first.setdefault(encoder_name(model), name)]
            if model["family"] != other["family"]:
                yield (
                    f"models.{name}.family: {model['family']}, but model {first[encoder_name(model)]!r} takes"
                    f" {model['checkpoint']} for {other['family']}: set the same family"
                )
            origin, others = ((Path(one["checkpoint"]), one.get("revision")) for one in (model, other))
            if origin != others:
                yield (
                    f"models.{name}.checkpoint: the encoders of {model['checkpoint']} and {other['checkpoint']} would"
                    f" have the same folder, {encoder_folder(model)}: rename one of the two"
                )


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


def _set_problems(members: list[str], corpora: dict):
    known = [member for member in members if member in corpora]
    for member in members:
        if member not in corpora:
            yield f"{member!r} is not among the corpora; {nearest(member, corpora)}"
    for other, member in combinations(known, 2):
        if _same(corpora[member], corpora[other]):
            yield f"{member!r} holds the same recordings as {other!r}: leave out one of the two"
    if len({corpora[member]["trim_db"] for member in known}) > 1:
        yield "their `trim_db` differs, so there is none to classify new recordings with: set the same one"


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
                yield f"{key}: {unknown!r} is not among the {kind}; {nearest(unknown, config[kind])}"
    titles = Counter(config["models"][model]["title"] for model in experiment["models"] if model in config["models"])
    for title in [title for title, count in titles.items() if count > 1]:
        yield f"models: {titles[title]} models have the title {title!r}: give each a title of its own"
    corpora, sets = config["corpora"], config["source_sets"]
    for unknown in sources:
        if unknown not in corpora.keys() | sets.keys():
            key = "sources" if "sources" in experiment else "source"
            yield f"{key}: {unknown!r} is not among the corpora; {nearest(unknown, [*corpora, *sets])}"
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
    targets = [target for target in experiment["targets"] if target in corpora]
    for other, target in combinations(targets, 2):
        if _same(corpora[target], corpora[other]):
            yield (
                f"targets: {target!r} holds the same recordings as {other!r}, which would count twice: leave out"
                " one of the two"
            )
    if experiment.get("source") in experiment["targets"]:
        yield f"targets: {experiment['source']!r} is the source; a target must be another corpus"
    if "sources" in experiment and not pairs_of(name, experiment):
        yield "targets: the only target is the only source; a pair requires two corpora"
    for shots in experiment["shots"] if name == WITHIN else []:
        if 0 < shots < 2 * len(EMOTIONS):
            yield (
                f"shots: {shots} examples cannot be split into training and development data with every emotion; use"
                f" 0, or at least {2 * len(EMOTIONS)}"
            )
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
