"""Configuration: accepted values, rejected values and error messages."""

import copy

import config_reference
import pytest
import yaml
from conftest import ROOT
from jsonschema import Draft202012Validator
from snakemake.utils import update_config

from ser.config import schema, validation
from ser.config.experiments import EXPERIMENTS, Experiments
from ser.core.errors import UserError

PAPER = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


def edited(edits):
    """Return the paper's configuration with edits.

    Keys are joined by two underscores; the value `...` removes a key.
    """
    config = copy.deepcopy(PAPER)
    for path, value in edits.items():
        *parents, last = path.split("__") if isinstance(path, str) else [path]
        place = config
        for parent in parents:
            place = place[parent]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return config


@pytest.mark.parametrize("path", ["config/config.yaml", "config/emodb-urdu.yaml", "demo/config/config.yaml"])
def test_shipped_configurations_are_accepted(path):
    validation.load(yaml.safe_load((ROOT / path).read_text(encoding="utf-8")))


def test_open_configuration_has_the_same_grid_without_iemocap():
    config = copy.deepcopy(PAPER)
    update_config(config, yaml.safe_load((ROOT / "config" / "open.yaml").read_text(encoding="utf-8")))
    experiments = Experiments(validation.load(config))
    assert experiments.corpora() == ["EMODB", "EMOVO", "URDU", "RAVDESS"]
    assert len(Experiments(validation.load(copy.deepcopy(PAPER))).runs()) == 1085
    assert len(experiments.runs()) == 1085 + 25  # within RAVDESS, whose 24 speakers are enough


class TestLike:
    """Models with the settings of another."""

    def test_another_checkpoint_is_no_copy_of_the_same(self):
        copied = {"checkpoint": "./xlsr", "revision": None, "copy_of": "facebook/wav2vec2-large-xlsr-53"}
        entries = {
            "frozen": {"like": "xlsr", "title": "f"},
            "own": {"like": "xlsr", "title": "o", "checkpoint": "./own"},
        }
        edits = {"models__xlsr": PAPER["models"]["xlsr"] | copied}
        edits |= {f"models__{name}": entry for name, entry in entries.items()}
        models = validation.load(edited(edits))["models"]
        assert models["frozen"]["copy_of"] == copied["copy_of"]
        assert "copy_of" not in models["own"]

    def test_another_checkpoint_has_no_revision_and_another_family_no_context(self):
        entries = {
            "local": {"like": "xlsr", "title": "l", "checkpoint": "./own"},
            "hubert": {"like": "whisper-30s", "title": "h", "family": "hubert", "checkpoint": "./hubert"},
            "same": {"like": "whisper-30s", "title": "s", "checkpoint": PAPER["models"]["whisper"]["checkpoint"]},
        }
        edits = {"models__whisper-30s": {"like": "whisper", "title": "w", "context": "30s"}}
        edits |= {f"models__{name}": entry for name, entry in entries.items()}
        models = validation.load(edited(edits))["models"]
        assert models["local"].keys() == models["xlsr"].keys() - {"revision"}
        assert models["hubert"].keys() == models["xlsr"].keys() - {"revision"}
        assert models["same"] == models["whisper-30s"] | {"title": "s"}

    def test_keys_except_the_title_are_inherited(self):
        variants = {
            "long": {"like": "xlsr", "title": "long", "training": {"epochs": 9}},
            "frozen": {"like": "long", "title": "frozen", "tuning": {"method": "frozen"}},
        }
        models = validation.load(edited({f"models__{name}": entry for name, entry in variants.items()}))["models"]
        assert models["frozen"] == models["xlsr"] | {
            "title": "frozen",
            "tuning": {"method": "frozen"},
            "training": models["xlsr"]["training"] | {"epochs": 9},
        }

    @pytest.mark.parametrize(
        ("edits", "message"),
        [
            ({"models__X": {"like": "xslr", "title": "x"}}, r"models\.X\.like: 'xslr' .* did you mean 'xlsr'"),
            ({"models": {1: {}, "X": {"like": "typo"}}}, r"models\.X\.like: 'typo' is not among the models"),
            ({"models__X": {"like": "xlsr"}}, r"models\.X: required key 'title' is missing"),
            ({"models__X": {"like": "Y"}, "models__Y": {"like": "X"}}, r"models\.Y\.like: 'X' is like 'Y' itself"),
            ({"models__X": {"like": ["xlsr"]}}, r"models\.X\.like: \['xlsr'\] is not among the models"),
        ],
    )
    def test_mistakes_are_reported(self, edits, message):
        with pytest.raises(UserError, match=message):
            validation.load(edited(edits))


def corpus(**entry):
    return {"format": "table", "language": "x"} | entry


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ({"corpora__X": corpus()}, r"corpora\.X\.path: format table requires"),
        (
            {"corpora__X": corpus(path="x.csv", labels={"joy": "hapy"})},
            r"corpora\.X\.labels\.joy: 'hapy' is not allowed; did you mean 'happy'",
        ),
        ({"corpora__URDU__path": ""}, r"corpora\.URDU\.path: '' is not allowed; it must not be empty"),
        ({"corpora__EMODB__path": "a", "corpora__EMODB__url": "b"}, r"either path or url"),
        ({"corpora__a-to-b": corpus(path="x")}, r"corpora\.a-to-b: a name must not"),
        ({"corpora__to-x": corpus(path="x")}, r"corpora\.to-x: a name must not"),
        ({"corpora__any": corpus(path="x")}, r"corpora\.any: a name must not"),
        ({"corpora__x\n": corpus(path="x")}, r"is not allowed"),
        ({"noise__url": "https://example.org/noise.zip"}, r"noise\.url: .* must be text with \{environment\} in it"),
        ({"models__xlsr__tuning": ...}, r"models\.xlsr\.tuning: required for family wav2vec2"),
        ({"models__xlsr__context": "30s"}, r"models\.xlsr\.context: not allowed for family wav2vec2, only for whisper"),
        ({"models__xlsr__weights": "random"}, r"xlsr\.tuning\.method: lora would leave random weights untrained"),
        ({"models__cnn-lstm__checkpoint": "a/b"}, r"models\.cnn-lstm\.checkpoint: not allowed for family cnn-lstm"),
        (
            {"models__svm": {"title": "SVM", "family": "svm", "tuning": {"method": "full"}}},
            r"tuning: not allowed for .* svm",
        ),
        (
            {"models__xlsr__family": "wavlm", "models__xlsr__tuning": {"method": "lora", "modules": "attention"}},
            r"models\.xlsr\.tuning\.modules: attention is not allowed for family wavlm",
        ),
        ({"models__xlsr__checkpoint": ".", "models__xlsr__revision": None}, r"xlsr\.checkpoint: \. has no name"),
        (
            {"corpora__mine": corpus(path="x") | {"labels": {"joy": "happy", "joy\u200b": "angry"}}},
            r"corpora\.mine\.labels: 'joy' and 'joy\\u200b' are one label",
        ),
        ({"models__cnn-lstm__features": "egemaps"}, r"features: not allowed for family cnn-lstm, only for svm"),
        ({"models__xlsr__copy_of": "a/b"}, r"copy_of: only for a local folder, .* remove one of the two"),
        ({"models__cnn-lstm__copy_of": "a/b"}, r"copy_of: not allowed for family cnn-lstm"),
        ({"experiments__figure2__targets": ["IEMOCAP"]}, r"'IEMOCAP' is the source"),
        ({"experiments__figure3__condition": "clean"}, r"'clean' is the reference"),
        (
            {"models__xlsr__title": "Whisper"},
            r"experiments\.table2\.models: 2 models have the title 'Whisper': give each",
        ),
        ({"seeds": ...}, r"'seeds' is missing; .* If your file changes another, give both: --configfile OTHER YOURS"),
        ({"seeds": []}, r"seeds: \[\] is not allowed; it must not be empty"),
        ({"seeds": [1.0]}, r"seeds\.0: 1\.0 is not allowed"),
        ({"training__epochs": True}, r"training\.epochs: true is not allowed"),
        ({"training__learning_rate": float("nan")}, r"learning_rate: nan is not allowed"),
        ({1: "a", "b": 2}, r"1: unknown key"),
    ],
)
def test_mistakes_are_reported_by_key(edits, message):
    with pytest.raises(UserError, match=message):
        validation.load(edited(edits))


@pytest.mark.parametrize(
    ("corpora", "source", "target"),
    [
        ({"EMODB-339": {"format": "emodb", "language": "German", "boredom": "drop"}}, "EMODB", "EMODB-339"),
        ({"EMODB-any": {"format": "emodb", "language": "German", "verify": "none"}}, "EMODB", "EMODB-any"),
        ({"X": corpus(path="x.csv"), "Y": corpus(path="./x.csv")}, "X", "Y"),
    ],
    ids=["other labels", "unverified", "same path"],
)
def test_two_entries_of_one_corpus_cannot_form_a_pair(corpora, source, target):
    pair = {"experiments__table2__sources": [source], "experiments__table2__targets": [target]}
    edits = {f"corpora__{name}": entry for name, entry in corpora.items()} | pair
    with pytest.raises(UserError, match=f"table2.targets: '{target}' holds the same recordings as source '{source}'"):
        validation.load(edited(edits))


MODELS = ", ".join(PAPER["models"])
TABLE = {"format": "table", "language": "Persian", "path": "data/mine.csv"}
TYPICAL_MISTAKES = [  # edits of the paper's configuration, and the full error messages
    (
        {"trainig": {"epochs": 3}},
        "trainig: unknown key; did you mean 'training'? allowed are claims, conditions, corpora, device, experiments,"
        " few_shot, label, models, noise, prediction, seeds, source_sets, training",
    ),
    (
        {"experiments__table2__models": ["xslr"]},
        f"experiments.table2.models: 'xslr' is not among the models; did you mean 'xlsr'? allowed are {MODELS}",
    ),
    (
        {"experiments__table2__sources": ["EMO-DB"]},
        "experiments.table2.sources: 'EMO-DB' is not among the corpora; did you mean 'EMODB'? allowed are IEMOCAP,"
        " EMODB, EMOVO, URDU",
    ),
    (
        {"source_sets": {"two": {"corpora": ["EMODB", "EMOV"]}}},
        "source_sets.two.corpora: 'EMOV' is not among the corpora; did you mean 'EMOVO'? allowed are IEMOCAP, EMODB,"
        " EMOVO, URDU",
    ),
    (
        {"source_sets": {"EMODB": {"corpora": ["EMOVO"]}}},
        "source_sets.EMODB: 'EMODB' is a corpus too: rename one of the two",
    ),
    (
        {
            "source_sets": {"two": {"corpora": ["EMODB", "URDU"]}},
            "experiments__random_init": {"models": ["cnn-lstm"], "sources": ["two"], "targets": ["EMODB", "EMOVO"]},
        },
        "experiments.random_init.targets: 'EMODB' is in the source set 'two'; a target must be another corpus",
    ),
    (
        {"source_sets": {"two": {"corpora": ["EMODB", "URDU"]}}, "corpora__URDU__trim_db": 40},
        "source_sets.two.corpora: their `trim_db` differs, so there is none to classify new recordings with: set the"
        " same one",
    ),
    (
        {
            "experiments__leave_one_language_out": {
                "models": ["cnn-lstm"],
                "sources": ["EMODB", "URDU"],
                "targets": ["EMODB", "EMOVO"],
            },
            "corpora__URDU__language": "German",
        },
        "experiments.leave_one_language_out.sources: there is none in another language than target 'EMODB'",
    ),
    (
        {
            "source_sets": {"two": {"corpora": ["EMODB", "URDU"]}},
            "experiments__leave_one_language_out": {"models": ["cnn-lstm"], "sources": ["two"], "targets": ["EMOVO"]},
        },
        "experiments.leave_one_language_out.sources: 'two' is a source set; list corpora, of which a set is made"
        " for each target",
    ),
    (
        {
            "corpora__URDU__trim_db": 40,
            "experiments__leave_one_language_out": {
                "models": ["cnn-lstm"],
                "sources": ["EMODB", "URDU", "EMOVO"],
                "targets": ["EMODB", "EMOVO"],
            },
        },
        "experiments.leave_one_language_out.sources: their `trim_db` differs, so there is none to classify new"
        " recordings with: set the same one",
    ),
    (
        {
            "source_sets": {"all-but-EMOVO": {"corpora": ["EMODB", "URDU"], "balanced": True}},
            "experiments__leave_one_language_out": {
                "models": ["cnn-lstm"],
                "sources": ["EMODB", "URDU"],
                "targets": ["EMOVO"],
            },
        },
        "source_sets.all-but-EMOVO: this name is kept for leave_one_language_out: rename the set",
    ),
    (
        {"corpora__again": PAPER["corpora"]["EMODB"], "experiments__figure2__targets": ["EMODB", "URDU", "again"]},
        "experiments.figure2.targets: 'again' holds the same recordings as 'EMODB', which would count twice: leave out"
        " one of the two",
    ),
    (
        {
            "models__xlsr": PAPER["models"]["xlsr"] | {"checkpoint": "/data/own/xlsr", "revision": None},
            "models__mms": PAPER["models"]["mms"] | {"checkpoint": "data/own/xlsr", "revision": None},
        },
        "models.mms.checkpoint: the encoders of data/own/xlsr and /data/own/xlsr would have the same folder,"
        " resources/encoders/data--own--xlsr: rename one of the two",
    ),
    (
        {"models__xlsr__pooling": {"layers": "wieghted"}},
        "models.xlsr.pooling.layers: 'wieghted' is not allowed; it must be last, mean, weighted, or the number of"
        " a layer",
    ),
    (
        {"training__learning_rate": "1e-4"},
        "training.learning_rate: '1e-4' is not allowed; it must be a number more than 0 (YAML reads 1e-4 as text:"
        " write 1.0e-4)",
    ),
    (
        {"training__epochs": -1},
        "training.epochs: -1 is not allowed; it must be a whole number of at least 1",
    ),
    (
        {"seeds": 5},
        "seeds: 5 is not allowed; it must be a list, each a whole number from 1 to 100",
    ),
    (
        {"models__xlsr__tuning": "lora"},
        "models.xlsr.tuning: 'lora' is not allowed; it must be keys with values (method, rank, alpha, modules,"
        " bottleneck, length)",
    ),
    (
        {"models__xlsr-frozen__family": "hubert"},
        "models.xlsr-frozen.family: hubert, but model 'xlsr' takes facebook/wav2vec2-large-xlsr-53 for wav2vec2: set"
        " the same family",
    ),
    (
        {"models__xlsr__revision": "main"},
        "models.xlsr.revision: 'main' is not allowed; it must be a commit of 40 hexadecimal digits or null",
    ),
    (
        {"models__xlsr__checkpoint": "resources/my/encoder"},
        "models.xlsr.revision: resources/my/encoder is a local folder, which has no revision: remove it, or set it to"
        " null",
    ),
    (
        {"models__xlsr__tuning__bottleneck": 64},
        "models.xlsr.tuning.bottleneck: method lora has no such parameter; allowed are rank, alpha, modules",
    ),
    (
        {"corpora__EMODB__format": "emo-db"},
        "corpora.EMODB.format: 'emo-db' is not allowed; did you mean 'emodb'? allowed are emodb, emovo, iemocap,"
        " ravdess, urdu, table",
    ),
    (
        {"models__whisper__family": ...},
        "models.whisper: required key 'family' is missing; it must be one of cnn-lstm, svm, wav2vec2,"
        " hubert, wavlm, unispeech-sat, whisper",
    ),
    (
        {"corpora__MINE": TABLE | {"verify": "names"}},
        "corpora.MINE.verify: not allowed for format table, only for emodb, emovo, iemocap, ravdess, urdu",
    ),
    (
        {"corpora__EMOVO__verify": "sha256"},
        "corpora.EMOVO.verify: no checksums are known for format emovo; allowed are names, none",
    ),
    (
        {"experiments__table2__models": ["xlsr", "mms", "xlsr"]},
        "experiments.table2.models: 'xlsr' is listed twice",
    ),
    (
        {"corpora__my corpus": TABLE},
        "corpora: 'my corpus' is not allowed; it must be a name of at most 64 letters, digits, '.', '_' and '-', first"
        " a letter or digit",
    ),
    (
        {"experiments__within__shots": [0, 4]},
        "experiments.within.shots: 4 examples cannot be split into training and development data with every emotion;"
        " use 0, or at least 8",
    ),
    (
        {"claims": {"english": "wav2vec"}},
        f"claims.english: 'wav2vec' is not among the models; did you mean 'wav2vec2'? allowed are {MODELS}",
    ),
    (
        {"claims": {"english": "xlsr"}},
        "claims: 'xlsr' has two roles; only english and pretrained may be the same model",
    ),
    (
        {"conditions__noisy__environments": ["DKITCHN"]},
        "conditions.noisy.environments: 'DKITCHN' is not published for noise of format demand; did you mean 'DKITCHEN'?"
        " allowed are DKITCHEN, DLIVING, DWASHING, NFIELD, NPARK, NRIVER, OHALLWAY, OMEETING, OOFFICE, PCAFETER,"
        " PRESTO, PSTATION, SPSQUARE, STRAFFIC, TBUS, TCAR, TMETRO",
    ),
    (
        {"conditions__clean": {"snr_db": 10}},
        "conditions.clean: {'snr_db': 10} is not allowed; it must be {}; define a noisy condition under another name",
    ),
]


@pytest.mark.parametrize(("edits", "message"), TYPICAL_MISTAKES, ids=[str(edits) for edits, _ in TYPICAL_MISTAKES])
def test_full_messages_of_typical_mistakes(edits, message):
    with pytest.raises(UserError) as rejected:
        validation.load(edited(edits))
    assert str(rejected.value) == f"the configuration cannot be used:\n  - {message}"


def test_custom_noise_may_have_other_environments():
    own = {"noise__path": "noise", "conditions__noisy__environments": ["SCAFE"]}
    assert validation.load(edited(own))["conditions"]["noisy"]["environments"] == ["SCAFE"]


def test_numbers_that_yaml_changes_are_refused(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("training: {epochs: 0100}\nseeds: [010, 1:30, 10, 0]\nlabel: 1:40:00 h\nnoise: {path: '010'}\n")
    with pytest.raises(UserError) as rejected:
        validation.check_files([path])
    found = [line.removeprefix("  - ").partition(" in ")[0] for line in str(rejected.value).splitlines()[1:]]
    reads = {"training.epochs": ("0100", 64), "seeds": ("010", 8), "seeds ": ("1:30", 90)}
    assert found == [f"{key.strip()}: YAML reads {text} as {number}" for key, (text, number) in reads.items()]


def test_duplicate_key_is_found_at_every_depth(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "corpora:\n  A: {path: a}\n  B: {path: a, url: b, path: c}\n  A: {path: d}\nseeds: [1]\nseeds: [2]\n"
    )
    with pytest.raises(UserError) as rejected:
        validation.check_files([ROOT / "config" / "config.yaml", path])
    remedy = f"duplicate key in {path}: remove or rename one of the two"
    listed = "".join(f"\n  - {key}: {remedy}" for key in ("corpora.B.path", "corpora.A", "seeds"))
    assert str(rejected.value) == f"the configuration cannot be used:{listed}"


def test_all_mistakes_are_listed_at_once():
    with pytest.raises(UserError) as rejected:
        validation.load(edited({"seed": [1], "training__learning_rate": "1e-4"}))
    assert str(rejected.value).count("\n  - ") == 2


KEYWORDS = {
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "default",
    "description",
    "enum",
}
KEYWORDS |= {"exclusiveMinimum", "if", "items", "maxProperties", "maximum", "minItems", "minLength", "minProperties"}
KEYWORDS |= {"minimum", "pattern", "properties", "propertyNames", "required", "then", "title", "type", "uniqueItems"}


def subschemas(rule, path="config"):
    """Yield every part of a schema with its path."""
    yield path, rule
    for key in ("if", "then", "items", "additionalProperties", "propertyNames"):
        if isinstance(rule.get(key), dict):
            yield from subschemas(rule[key], f"{path}.{key}")
    for key in ("properties", "$defs"):
        for name, below in rule.get(key, {}).items():
            yield from subschemas(below, f"{path}.{name}")
    for key in ("anyOf", "allOf"):
        for below in rule.get(key, []):
            yield from subschemas(below, f"{path}.{key}")


def test_schema_is_valid_and_describes_every_key():
    """A comma in an unquoted description within braces creates an unknown keyword."""
    Draft202012Validator.check_schema(schema.schema())
    for path, rule in subschemas(schema.schema()):
        assert rule.keys() <= KEYWORDS, path
        conditional = {"if", "then"} & set(path.split("."))
        if "properties" in rule and not conditional:
            assert rule.get("additionalProperties", True) is not True, f"{path} allows misspelt keys"
        if not conditional and path != "config.overrides":  # these are described under training
            for name, below in rule.get("properties", {}).items():
                assert below.get("description", "").endswith("."), f"{path}.{name} has no description"


def test_experiments_are_those_of_the_schema():
    assert set(schema.schema()["properties"]["experiments"]["properties"]) == set(EXPERIMENTS)


def test_reference_matches_the_schema():
    text = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    assert config_reference.with_reference(text) == text, "run `make reference`"


def test_defaults_and_overrides():
    config = validation.load(edited({"models__xlsr__training": {"learning_rate": 5.0e-5}, "few_shot": ...}))
    defaults = PAPER["training"] | {"deterministic": False, "patience": None}
    assert config["models"]["xlsr"]["training"] == defaults | {"learning_rate": 5.0e-5}
    assert config["models"]["mms"]["training"] == defaults
    assert config["few_shot"] == {"pool_per_emotion": 50}
    assert config["device"] == "auto"
    assert config["corpora"]["EMOVO"]["verify"] == "names"
    assert config["models"]["xlsr"]["weights"] == "pretrained"
    assert config["models"]["whisper"]["context"] == "utterance"


@pytest.mark.parametrize(
    ("method", "complete"),
    [
        ("frozen", {}),
        ("full", {}),
        ("lora", {"rank": 16, "alpha": 16, "modules": "feed-forward"}),
        ("adapter", {"bottleneck": 128}),
        ("prompt", {"length": 5}),
    ],
)
def test_parameters_of_methods_have_defaults(method, complete):
    config = validation.load(edited({"models__xlsr__tuning": {"method": method}}))
    assert config["models"]["xlsr"]["tuning"] == {"method": method} | complete


@pytest.mark.parametrize("revision", [..., None])
def test_local_checkpoint_has_no_revision(revision):
    local = {"models__xlsr__checkpoint": "resources/my/encoder", "models__xlsr__revision": revision}
    assert "revision" not in validation.load(edited(local))["models"]["xlsr"]


def test_resources_have_defaults_and_are_not_recorded():
    config = validation.load(edited({"models__xlsr__resources": {"mem_mb": 32_000}}))
    assert config["models"]["xlsr"]["resources"] == {"mem_mb": 32_000, "runtime": 240}
    assert config["models"]["mms"]["resources"] == {"mem_mb": 16_000, "runtime": 240}
    recorded = validation.recorded_model(config["models"]["xlsr"])
    assert recorded.keys() == {"family", "checkpoint", "revision", "weights", "tuning", "pooling"}


def test_two_languages_alone_are_run_in_a_directory_with_the_papers_configuration():
    """`config/emodb-urdu.yaml` overrides it, and sets all its other experiments to null."""
    read = yaml.safe_load((ROOT / "config" / "emodb-urdu.yaml").read_text(encoding="utf-8"))["experiments"]
    assert [name for name, entry in (PAPER["experiments"] | read).items() if entry] == ["table2"]
