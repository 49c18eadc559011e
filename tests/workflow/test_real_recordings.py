"""A slice of config/laptop.yaml on real German and Urdu speech, if it is available.

SER_REAL_CORPORA is the path of a folder with URDU-Dataset-4b546d4.zip and emodb-339.zip (EMODB's recordings of the four
emotions, without boredom), SER_REAL_CHECKPOINT that of the encoder of Whisper-base.
"""

import os
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import ROOT
from workflow_tools import Workflow

from ser.core.files import read_json, read_rows
from ser.corpora import formats
from ser.corpora.archives import Archive

FOLDER, CHECKPOINT = os.environ.get("SER_REAL_CORPORA"), os.environ.get("SER_REAL_CHECKPOINT")
pytestmark = pytest.mark.skipif(
    not (FOLDER and CHECKPOINT),
    reason="NO REAL SPEECH: SER_REAL_CORPORA AND SER_REAL_CHECKPOINT ARE NOT SET, SO IT IS NOT TESTED",
)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    workflow = Workflow(tmp_path_factory.mktemp("real") / "repository", directory="laptop")
    config = yaml.safe_load((ROOT / "config" / "laptop.yaml").read_text(encoding="utf-8"))
    config["seeds"], config["corpora"] = [1], {name: config["corpora"][name] for name in ("EMODB", "URDU")}
    config["corpora"]["EMODB"] |= {"path": str(Path(FOLDER, "emodb-339.zip")), "verify": "none"}
    config["corpora"]["URDU"]["path"] = str(Path(FOLDER, "URDU-Dataset-4b546d4.zip"))
    del config["models"]["whisper"]["revision"]
    config["models"]["whisper"] |= {"checkpoint": CHECKPOINT, "copy_of": "openai/whisper-base"}
    config["experiments"] = dict.fromkeys(config["experiments"]) | {
        "table2": {"models": ["egemaps", "whisper-frozen"], "sources": ["EMODB"], "targets": ["URDU"]}
    }
    workflow.configure(config)
    audits = (f"results/corpora/{corpus}/audit.json" for corpus in config["corpora"])
    splits = (f"results/splits/URDU/seed1/{role}.csv" for role in ("source", "target"))
    workflow.run("--cores", "2", "results/tables/table2.csv", "results/tables/table1.csv", *audits, *splits)
    return workflow


def test_corpora_are_as_published(experiment):
    audits = {c: read_json(experiment.directory / f"results/corpora/{c}/audit.json") for c in ("EMODB", "URDU")}
    assert audits["EMODB"]["emotions"] == {"angry": 127, "happy": 71, "neutral": 79, "sad": 62}
    assert audits["EMODB"]["speakers"] == 10
    assert audits["URDU"]["emotions"] == dict.fromkeys(("angry", "happy", "neutral", "sad"), 100)
    assert audits["URDU"]["speakers"] == 29
    assert audits["URDU"]["speaker_only_uar"] == 96


def test_emodb_recordings_equal_the_published_checksums():
    archive = Archive(Path(FOLDER, "emodb-339.zip"))
    found = formats.match_audio_files(archive, archive.scan()[0], "emodb")
    assert len(found) == 339
    assert formats.altered_files(archive, found, formats.published_files("emodb"), "names") == []


def test_urdu_is_verified_and_its_overlaps_are_found(experiment):
    """Ten pairs share one or two seconds; in two of them the speakers differ."""
    results = experiment.directory / "results/corpora/URDU"
    verification = read_json(results / "archive.json")["verification"]
    assert (verification["files"], verification["altered"], verification["warnings"]) == (400, 0, [])
    overlaps = read_rows(results / "overlaps.csv")
    assert len(overlaps) == 10
    assert all(float(row["correlation"]) > 0.98 and 0.98 <= float(row["seconds"]) <= 2 for row in overlaps)
    across = {(row["utterance"], row["other"]) for row in overlaps if row["utterance"][:3] != row["other"][:3]}
    assert across == {("SF1_F4_H04", "SF4_F4_H020"), ("SF4_F3_H019", "SF1_F4_H04")}
    assert read_rows(experiment.directory / "results/corpora/EMODB/overlaps.csv") == []


def test_splits_keep_overlaps_together(experiment):
    overlaps = read_rows(experiment.directory / "results/corpora/URDU/overlaps.csv")
    for split in ("source", "target"):
        path = experiment.directory / f"results/splits/URDU/seed1/{split}.csv"
        roles = {row["utterance"]: row["role"] for row in read_rows(path)}
        assert all(roles[row["utterance"]] == roles[row["other"]] for row in overlaps)


def test_table2_leaves_out_the_values_of_the_paper(experiment):
    detail = pd.read_csv(experiment.directory / "results/tables/table2_detail.csv")
    print("\n", detail.to_string(index=False))
    assert len(detail) == 2
    assert detail["paper"].isna().all()
    assert detail["note"].str.contains("without boredom").all()
    assert (detail["seeds"] == 1).all()


def test_scores_are_above_chance_and_below_what_a_leak_would_give(experiment):
    """The frozen encoder learns little in five epochs; the SVM is solved."""
    uars = pd.read_csv(experiment.directory / "results/tables/table2_detail.csv").set_index("model")["uar"]
    assert 30 < uars["egemaps"] < 75
    assert 25 < uars["whisper-frozen"] < 75


def test_table1_has_the_facts_of_the_published_checkpoint(experiment):
    table = pd.read_csv(experiment.directory / "results/tables/table1.csv").set_index("model")
    assert table.loc["whisper-frozen", ["checkpoint", "encoder_parameters"]].tolist() == [
        "local copy of openai/whisper-base",
        20_590_592,
    ]
    assert table.loc["whisper-frozen", ["seen_German", "seen_Urdu"]].tolist() == ["yes", "yes"]
