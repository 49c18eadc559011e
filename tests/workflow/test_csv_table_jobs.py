"""Your own corpora, given as CSV files in the configuration; test_use trains and tests models on such corpora."""

import pytest
import yaml
from conftest import ROOT, noise_bytes, write_tree
from workflow_tools import Workflow

from ser.core.constants import EMOTIONS
from ser.core.files import write_rows


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Ingest a CSV corpus."""
    workflow = Workflow(tmp_path_factory.mktemp("table") / "repository", directory="mine")
    config = yaml.safe_load((ROOT / "config" / "emodb-urdu.yaml").read_text(encoding="utf-8"))
    rows = [(f"{emotion}.wav", "1", emotion) for emotion in EMOTIONS]
    write_tree(workflow.directory / "ONE", {name: noise_bytes(name, 6_000) for name, *_ in rows})
    write_rows(workflow.directory / "ONE" / "mine.csv", ("file", "speaker", "emotion"), rows)
    config["corpora"]["ONE"] = {"format": "table", "language": "Persian", "path": "ONE/mine.csv"}
    workflow.configure(config)
    workflow.run("--cores", "1", "results/corpora/ONE/utterances.csv")
    return workflow


def test_changed_recording_or_row_is_ingested_again(experiment):
    target = "results/corpora/ONE/utterances.csv"
    assert experiment.planned(target) == []
    recording = experiment.directory / "ONE" / "angry.wav"
    content = recording.read_bytes()
    recording.touch()
    assert experiment.planned(target) == []
    recording.write_bytes(noise_bytes("longer", 6_001))
    assert experiment.rules_planned(target) == {"corpus": 1}
    recording.write_bytes(content)
    table = experiment.directory / "ONE" / "mine.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("angry.wav,1,angry", "angry.wav,1,sad"), encoding="utf-8")
    assert experiment.rules_planned(target) == {"corpus": 1}
    table.write_text(text, encoding="utf-8")
    assert experiment.planned(target) == []
