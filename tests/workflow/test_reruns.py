"""Reruns: after an edit, exactly the affected jobs are planned."""

from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from conftest import COMMITS
from workflow_tools import Workflow

from ser.core.files import read_json

# Condition on jobs: names of rules, and allowed values of some wildcards.
Condition = tuple[str, dict[str, str | set[str]]]

CORPORA = "corpus overlaps log_mel noise pooled split few_shot"
OF_AUDIT = ("corpus_audit audit", {})
OF_TOTALS = [("scores provenance", {})]
OF_SCORES = [*OF_TOTALS, ("claims", {})]
OF_TABLE2 = [
    ("score", {"experiment": "table2"}),
    ("table2", {}),
    ("measures differences", {"experiment": "table2"}),
]
OF_CONVERGED = [
    ("score measures differences", {"experiment": "table2_converged"}),
    ("table2_converged confusion recall", {}),
]
OF_HISTORIES = [("training_curves", {})]
OF_FIGURE2 = [("score", {"experiment": "figure2"}), ("figure2", {})]
OF_FIGURE3 = [("score", {"experiment": "figure3"}), ("figure3", {})]
OF_TUNING = [("score comparison_table comparison_figure differences", {"experiment": "tuning"})]
OF_RANDOM = [("score comparison_table comparison_figure differences", {"experiment": "random_init"})]
OF_TABLE1 = [("table1", {})]
OF_PRINTED = [*OF_SCORES, *OF_TABLE2, *OF_FIGURE2, *OF_FIGURE3, *OF_TUNING, *OF_RANDOM]
OF_PREDICTIONS = [*OF_PRINTED, *OF_CONVERGED]
OF_RUNS = [*OF_PREDICTIONS, *OF_HISTORIES, *OF_TABLE1]
DRAWN = [
    ("table1 table2 table2_converged measures figure2 figure3 confusion recall training_curves claims", {}),
    ("comparison_table comparison_figure differences", {}),
    OF_AUDIT,
]


def runs_of(**wildcards) -> list[Condition]:
    """Return the condition of training and prediction jobs."""
    return [("finetune predict", wildcards)]


def changes(*paths: str):
    """Return an edit that sets configuration values, given as `a.b.c=value` in YAML."""

    def edit(config: dict) -> None:
        for path in paths:
            key, value = path.split("=", 1)
            *parents, last = key.split(".")
            place = config
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = yaml.safe_load(value)

    return edit


# One job predicts all conditions of a run, so predictions for other experiments are repeated too.
NOISE = [
    ("noise log_mel", {"condition": "noisy"}),
    ("predict", {"model": {"cnn-lstm", "xlsr"}, "source": "English", "shots": "0"}),
    *OF_PRINTED,
]
XLSR_AGAIN = [*runs_of(model="xlsr"), *OF_TABLE2, *OF_FIGURE3, *OF_TUNING, *OF_TABLE1, *OF_SCORES]
EDITS = {
    "a noise environment": (
        changes("conditions.noisy.environments=[DKITCHEN, NPARK, PSTATION, STRAFFIC, TBUS]"),
        [("demo_noise", {"environment": "TBUS"}), *NOISE],
    ),
    "a seed added": (
        changes("seeds=[1, 2]"),
        [
            ("split few_shot finetune predict", {"seed": "2"}),
            OF_AUDIT,
            *OF_PREDICTIONS,
            *OF_HISTORIES,
        ],
    ),
    "a model added": (
        changes(
            "models.xlsr-small={title: small, family: wav2vec2, checkpoint: resources/demo/checkpoints/xlsr,"
            " tuning: {method: lora, rank: 4}}",
            "experiments.table2.models=[cnn-lstm, xlsr, xlsr-small]",
        ),
        [*runs_of(model="xlsr-small"), *OF_TABLE2, *OF_TABLE1, *OF_TOTALS],
    ),
    "the learning rate of a model and of one like it": (
        changes("models.xlsr.training={learning_rate: 1.0e-3}"),
        [*runs_of(model="xlsr-frozen"), *XLSR_AGAIN],
    ),
    "two values swapped within a model": (changes("models.xlsr.tuning={method: lora, rank: 16, alpha: 8}"), XLSR_AGAIN),
    "one model's resources": (changes("models.xlsr.resources={mem_mb: 9000}"), [("provenance", {})]),
    "a corpus added as target": (  # affected runs predict all their targets again
        changes("experiments.table2.targets=[English, German, Italian, Urdu]"),
        [
            ("demo_speech", {"layout": "urdu"}),
            ("corpus overlaps corpus_audit", {"corpus": "Urdu"}),
            ("log_mel split", {"corpus": "Urdu"}),
            ("predict", {"model": {"cnn-lstm", "xlsr"}, "target": "any"}),
            ("audit", {}),
            *OF_TABLE1,
            *OF_PRINTED,
        ],
    ),
    "a corpus added as source": (
        changes("experiments.table2.sources=[English, German, Urdu]"),
        [
            ("demo_speech", {"layout": "urdu"}),
            ("corpus overlaps corpus_audit", {"corpus": "Urdu"}),
            ("log_mel split", {"corpus": "Urdu"}),
            *runs_of(source="Urdu"),
            ("audit", {}),
            *OF_TABLE1,
            *OF_TABLE2,
            *OF_TOTALS,
        ],
    ),
    "training within a language added": (
        changes("experiments.within={models: [cnn-lstm], targets: [German]}"),
        [
            ("split", {"role": "within"}),
            *runs_of(source="German", target="German"),
            ("score", {"experiment": "within"}),
            ("gap figure2", {}),
            *OF_TOTALS,
        ],
    ),
    "adaptation added": (
        changes("experiments.adaptation={models: [cnn-lstm], sources: [English], targets: [German]}"),
        [
            ("calibrate predict", {"model": "cnn-lstm", "source": "English", "target": "any", "shots": "0"}),
            ("score", {"experiment": "adaptation"}),
            ("adaptation", {}),
            *OF_SCORES,
            *OF_TABLE2,
            *OF_FIGURE2,
            *OF_FIGURE3,
            *OF_RANDOM,
        ],
    ),
    "few-shot sizes": (
        changes("experiments.figure2.shots=[0, 50, 100]"),
        [
            ("few_shot finetune predict", {"shots": "100"}),
            ("corpus_audit", {"corpus": "German"}),
            ("audit", {}),
            *OF_FIGURE2,
            *OF_SCORES,
        ],
    ),
    "a corpus's language": (
        changes("corpora.German.language=Deutsch"),
        [
            ("corpus_audit", {"corpus": "German"}),
            ("audit claims provenance", {}),
            *OF_TABLE1,
        ],
    ),
    "boredom: drop": (
        changes("corpora.German.boredom=drop"),
        [
            (f"{CORPORA} corpus_audit", {"corpus": "German"}),
            ("few_shot", {"target": "German"}),
            ("finetune", {"source": "German"}),
            ("finetune", {"target": "German"}),
            ("predict", {}),  # all runs predict German or are trained on it
            ("audit", {}),
            *OF_PREDICTIONS,
        ],
    ),
    "batch size": (changes("training.batch_size=8"), [*runs_of(), *OF_RUNS]),
    "prediction's batch size": (changes("prediction.batch_size=7"), [("predict", {}), *OF_PREDICTIONS]),
    "a checkpoint's revision": (
        changes(f"models.wav2vec2.revision={COMMITS[1]}"),
        [
            ("encoder", {"encoder": f"tests--small-{COMMITS[1][:12]}"}),
            *runs_of(model="wav2vec2-random"),
            *OF_RANDOM,
            *OF_TABLE1,
            *OF_SCORES,
        ],
    ),
    "a model's title": (
        changes("models.xlsr.title=other"),
        [
            ("table1 table2 figure3 provenance", {}),
            ("measures", {"experiment": "table2"}),
            ("comparison_table comparison_figure", {"experiment": "tuning"}),
            ("differences", {"experiment": {"table2", "tuning"}}),
        ],
    ),
    "the label": (changes("label=other"), [*DRAWN, ("provenance", {})]),
}
SER = "workflow/scripts/ser"
UNUSED = [  # sources that no job of this demo depends on
    f"{SER}/training/device.py",  # does not affect results
    f"{SER}/models/families.py",  # what it chooses is in settings and inputs
    f"{SER}/training/svm.py",  # no model is an SVM
    f"{SER}/corpora/formats/ravdess.py",  # no corpus has this format
    "workflow/report/figure2.rst",  # read when the report is made
]
SOURCES = {  # edited together -> jobs
    (
        f"{SER}/figures/figure2.py",
        f"{SER}/figures/table1.py",
        f"{SER}/evaluation/claims.py",
        f"{SER}/corpora/audit.py",
    ): [
        ("figure2 claims", {}),
        *OF_TABLE1,
        OF_AUDIT,
    ],
    (f"{SER}/figures/style.py",): DRAWN,
    (f"{SER}/training/loop.py",): [*runs_of(), *OF_RUNS],
    (f"{SER}/training/prediction.py",): [("predict", {}), *OF_PREDICTIONS],
    (f"{SER}/models/cnn_lstm.py",): [
        *runs_of(model={"cnn-lstm", "cnn-lstm-converged"}),
        *OF_TABLE1,
        *OF_TABLE2,
        *OF_CONVERGED,
        *OF_HISTORIES,
        *OF_FIGURE2,
        *OF_FIGURE3,
        *OF_RANDOM,
        *OF_SCORES,
    ],
    (f"{SER}/corpora/noise.py",): NOISE,
    (f"{SER}/corpora/few_shot.py",): [
        ("few_shot", {}),
        *runs_of(shots="50"),
        ("corpus_audit", {"corpus": "German"}),
        ("audit", {}),
        *OF_FIGURE2,
        *OF_SCORES,
    ],
    (f"{SER}/models/fine_tuning_methods.py",): [  # no encoder, no pooled vectors, no classification head on them
        *runs_of(model={"xlsr", "wav2vec2-random"}),
        *OF_TABLE1,
        *OF_TABLE2,
        *OF_FIGURE3,
        *OF_TUNING,
        *OF_RANDOM,
        *OF_SCORES,
    ],
    (f"{SER}/models/checkpoints.py",): [
        ("encoder pooled", {}),
        *runs_of(model={"xlsr", "wav2vec2-random", "xlsr-frozen"}),
        *OF_TABLE1,
        *OF_TABLE2,
        *OF_FIGURE3,
        *OF_TUNING,
        *OF_RANDOM,
        *OF_SCORES,
    ],
}


@contextmanager
def edited(path: Path, content: str):
    """Replace a file's content within a `with` block."""
    before = path.read_bytes()
    path.write_text(content, encoding="utf-8")
    try:
        yield
    finally:
        path.write_bytes(before)


def as_set(jobs) -> set[tuple]:
    return {(rule, *sorted(wildcards.items())) for rule, wildcards in jobs}


def meets(job, condition: Condition) -> bool:
    rule, wildcards = job
    rules, allowed = condition
    one_of = {key: {value} if isinstance(value, str) else value for key, value in allowed.items()}
    return rule in rules.split() and all(wildcards.get(key) in values for key, values in one_of.items())


@pytest.fixture(scope="module")
def jobs(finished_demo):
    """Return all jobs of the finished demo."""
    return finished_demo.planned("--forceall")


def assert_plans(workflow: Workflow, jobs: list, conditions: list[Condition]) -> None:
    """Compare planned jobs with all jobs that meet a condition; edits may add jobs."""
    planned = as_set(workflow.planned())
    everything = jobs if planned <= as_set(jobs) else workflow.planned("--forceall")
    for condition in conditions:
        assert any(meets(job, condition) for job in everything), f"no job meets {condition}"
    expected = as_set(job for job in everything if any(meets(job, condition) for condition in conditions))
    assert sorted(planned - expected) == sorted(expected - planned) == []


@pytest.mark.parametrize("name", EDITS)
def test_edited_configuration_plans_the_affected_jobs(finished_demo, jobs, name):
    edit, conditions = EDITS[name]
    config = finished_demo.config()
    edit(config)
    path = finished_demo.directory / "config" / "config.yaml"
    with edited(path, yaml.safe_dump(config, sort_keys=False)):
        assert_plans(finished_demo, jobs, conditions)


@pytest.mark.parametrize("sources", SOURCES, ids=lambda sources: "-".join(Path(source).stem for source in sources))
def test_edited_source_plans_the_affected_jobs(finished_demo, jobs, sources):
    with ExitStack() as edits:
        for path in (finished_demo.repository / source for source in sources):
            edits.enter_context(edited(path, path.read_text(encoding="utf-8") + "\nEDITED = True\n"))
        assert_plans(finished_demo, jobs, SOURCES[sources])


def test_edits_that_change_no_result_plan_nothing(finished_demo):
    """All files touched, unused sources edited, the configuration reformatted with another device."""

    def reversed_keys(value):
        return {key: reversed_keys(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    for folder in ("workflow", "config", "resources", "profiles", "envs"):
        for path in (finished_demo.repository / folder).rglob("*"):
            path.touch()
    directory = finished_demo.directory
    for path in [finished_demo.repository / "Snakefile", *directory.glob("speech/*"), *directory.glob("config/*")]:
        path.touch()
    config = reversed_keys(finished_demo.config() | {"device": "auto"})
    with ExitStack() as edits:
        for path in (finished_demo.repository / source for source in UNUSED):
            edits.enter_context(edited(path, path.read_text(encoding="utf-8") + "\nEDITED = True\n"))
        text = "# a comment\n" + yaml.safe_dump(config, sort_keys=False, width=30)
        edits.enter_context(edited(directory / "config" / "config.yaml", text))
        assert finished_demo.planned() == []


class TestUpgrade:
    """Package versions other than those of the existing training runs."""

    @pytest.fixture
    def upgraded(self, finished_demo, tmp_path):
        """Return a copy of the demo in an environment with another safetensors version."""
        workflow = finished_demo.copy(tmp_path / "repository")
        metadata = tmp_path / "upgrade" / "safetensors-99.0.0.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text("Metadata-Version: 2.1\nName: safetensors\nVersion: 99.0.0\n")
        workflow.environment = finished_demo.environment | {"PYTHONPATH": str(tmp_path / "upgrade")}
        return workflow

    def test_upgrade_is_recorded_without_retraining(self, upgraded):
        assert upgraded.planned() == [("provenance", {})]
        upgraded.run("--cores", "1")
        provenance = read_json(upgraded.directory / "results/provenance.json")
        assert provenance["packages"]["safetensors"] == "99.0.0"
        runs = len([*upgraded.directory.glob("results/runs/**/run.json")])
        assert provenance["trainings"]["safetensors"] == {version("safetensors"): runs}
        assert upgraded.planned() == []
