"""Experiments on your own corpora, given as CSV files in the configuration."""

import re

import pytest
import yaml
from conftest import ROOT, noise_bytes, write_tree
from workflow_tools import Workflow

from ser.core.files import read_json, read_rows, write_rows

LABELS = {"angry": "ang", "happy": "joy", "neutral": "0", "sad": "sad"}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Run CNN-LSTM on two CSV corpora as source and target, with few-shot examples."""
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
    config["training"] = {"epochs": 1}
    pairs = {"sources": ["ONE", "TWO"], "targets": ["ONE", "TWO"]}
    figure2 = {"models": ["cnn-lstm"], "source": "ONE", "targets": ["TWO"], "shots": [0, 8]}
    config["experiments"] |= {"table2": {"models": ["cnn-lstm"]} | pairs, "figure2": figure2}
    workflow.configure(config)
    weights = "results/runs/cnn-lstm/ONE-to-TWO/8-shot/seed1/weights.safetensors"
    workflow.run("--cores", "2", "results/tables/table2.csv", "results/corpora/TWO/audit.json", weights)
    return workflow


def test_csv_corpora_are_source_and_target(experiment):
    results = experiment.directory / "results"
    table = read_rows(results / "tables/table2.csv")
    assert [(row["source"], row["target"]) for row in table] == [("ONE", "TWO"), ("TWO", "ONE")]
    assert all(0 <= float(row["cnn-lstm"]) <= 100 for row in table)
    assert read_json(results / "corpora/TWO/audit.json")["emotions"] == {
        "angry": 18,
        "happy": 18,
        "neutral": 18,
        "sad": 18,
    }


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


@pytest.mark.parametrize("kind", ["source", "few-shot"])
def test_leaking_split_is_rejected(experiment, kind):
    """Edit a split by hand: the audit and the training run that read it fail."""
    results = experiment.directory / "results"
    if kind == "source":
        path, corpus, run = results / "splits/ONE/seed1/source.csv", "ONE", "ONE-to-any/0-shot"
        text = path.read_text(encoding="utf-8")
        changed = text.replace(",dev\n", ",train\n", 1)
    else:
        path, corpus, run = results / "fewshot/TWO/8-shot/seed1.csv", "TWO", "ONE-to-TWO/8-shot"
        split = read_rows(results / "splits/TWO/seed1/target.csv")
        tested = next(row["utterance"] for row in split if row["role"] == "test")
        text = path.read_text(encoding="utf-8")
        changed = f"{text}{tested}\n"
    jobs = {
        "corpus_audit": f"results/corpora/{corpus}/audit.json",
        "finetune": f"results/runs/cnn-lstm/{run}/seed1/weights.safetensors",
    }
    path.write_text(changed, encoding="utf-8")
    failed = experiment.run("--cores", "2", "--keep-going", *jobs.values(), check=False)
    path.write_text(text, encoding="utf-8")
    for rule in jobs:
        assert re.search(rf"{rule}: .*{path.relative_to(experiment.directory)} leaks: ", failed.stdout), failed.stdout
