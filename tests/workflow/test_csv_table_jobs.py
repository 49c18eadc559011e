"""Your own corpora, given as CSV files in the configuration; test_use trains and tests models on such corpora."""

import pytest
import yaml
from conftest import ROOT, noise_bytes, write_tree
from workflow_tools import Workflow

from ser.core.files import read_json, write_rows

LABELS = {"angry": "ang", "happy": "joy", "neutral": "0", "sad": "sad"}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Ingest two CSV corpora, source and target, one with labels of its own."""
    workflow = Workflow(tmp_path_factory.mktemp("table") / "repository", directory="mine")
    config = yaml.safe_load((ROOT / "config" / "emodb-urdu.yaml").read_text(encoding="utf-8"))
    for corpus in ("ONE", "TWO"):
        rows = []
        for speaker in range(6):
            for emotion, label in LABELS.items():
                for take in range(3):
                    name = f"{speaker}/{label}{take}.wav"
                    write_tree(workflow.directory / corpus, {name: noise_bytes(f"{corpus} {name}", 6_000)})
                    rows.append((name, speaker, label if corpus == "TWO" else emotion))
        write_rows(workflow.directory / corpus / "mine.csv", ("file", "speaker", "emotion"), rows)
    labels = {label: emotion for emotion, label in LABELS.items() if label != "sad"} | {0: "neutral"}
    config |= {"seeds": [1], "few_shot": {"pool_per_emotion": 6}}
    config["corpora"] = {
        "ONE": {"format": "table", "language": "Persian", "path": "ONE/mine.csv"},
        "TWO": {"format": "table", "language": "Greek", "path": "TWO/mine.csv", "labels": labels},
    }
    pairs = {"sources": ["ONE", "TWO"], "targets": ["ONE", "TWO"]}
    config["experiments"]["table2"] = {"models": ["cnn-lstm"]} | pairs
    workflow.configure(config)
    workflow.run("--cores", "2", "results/corpora/ONE/utterances.csv", "results/corpora/TWO/audit.json")
    return workflow


def test_labels_become_emotions(experiment):
    audit = read_json(experiment.directory / "results/corpora/TWO/audit.json")
    assert audit["emotions"] == {"angry": 18, "happy": 18, "neutral": 18, "sad": 18}


def test_changed_recording_or_row_is_ingested_again(experiment):
    target = "results/corpora/ONE/utterances.csv"
    assert experiment.planned(target) == []
    recording = experiment.directory / "ONE" / "0" / "ang0.wav"
    content = recording.read_bytes()
    recording.touch()
    assert experiment.planned(target) == []
    recording.write_bytes(noise_bytes("longer", 6_001))
    assert experiment.rules_planned(target) == {"corpus": 1}
    recording.write_bytes(content)
    table = experiment.directory / "ONE" / "mine.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("0/ang0.wav,0,angry", "0/ang0.wav,0,sad"), encoding="utf-8")
    assert experiment.rules_planned(target) == {"corpus": 1}
    table.write_text(text, encoding="utf-8")
    assert experiment.planned(target) == []
