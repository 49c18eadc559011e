"""Paths that identify runs and encoders."""

import pytest

from ser.config.local_inputs import is_made_by_demo
from ser.core import encoder_paths, paths
from ser.core.paths import RunId

FEW_SHOT = RunId("cnn-lstm", "EMODB", "URDU", 50, 3)
ZERO_SHOT = RunId("xlsr", "a-b", "any", 0, 12)


@pytest.mark.parametrize("run", [FEW_SHOT, ZERO_SHOT, RunId("m", "to", "c-d", 200, 1)])
@pytest.mark.parametrize(
    "path", ["/home/x-to-y/1-shot/work/results/runs/{}/history.csv", "results/benchmarks/finetune/{}.tsv"]
)
def test_run_is_parsed_from_a_path(run, path):
    assert RunId.parse(path.format(run.path)) == run


def test_path_of_a_run():
    assert FEW_SHOT.path == "cnn-lstm/EMODB-to-URDU/50-shot/seed3"
    assert ZERO_SHOT.folder == "results/runs/xlsr/a-b-to-any/0-shot/seed12"
    assert str(FEW_SHOT) == "cnn-lstm, EMODB to URDU, 50 shots, seed 3"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "results/scores.csv",
        "results/splits/EMODB/seed1/source.csv",
        "results/fewshot/URDU/50-shot/seed1.csv",
        "results/runs/xlsr/EMODB-to-any/zero-shot/seed1/run.json",
        "results/runs/xlsr/EMODB-to-any/0-shot/seed1x/run.json",
    ],
)
def test_path_without_a_run_is_rejected(path):
    with pytest.raises(ValueError, match="run"):
        RunId.parse(path)


def test_zero_shot_run_is_shared_by_all_targets():
    assert RunId.of("m", "A", "B", 0, 1) == RunId.of("m", "A", "C", 0, 1) == RunId("m", "A", paths.ANY_TARGET, 0, 1)
    assert RunId.of("m", "A", "B", 50, 1).target == "B"


def test_names_of_encoders():
    published = {"checkpoint": "openai/whisper-medium", "revision": "abdf7c39ab9d0397620ccaea8974cc764cd0953e"}
    assert encoder_paths.encoder_name(published) == "openai--whisper-medium-abdf7c39ab9d"
    assert encoder_paths.encoder_folder({"checkpoint": "./my/encoder"}) == "resources/encoders/my--encoder"
    assert encoder_paths.encoder_name({"checkpoint": "/data/encoder"}) == "data--encoder"
    assert encoder_paths.pooled_name(published) == encoder_paths.encoder_name(published)
    assert encoder_paths.pooled_name(published | {"context": "30s"}) != encoder_paths.pooled_name(published)


def test_root_contains_the_workflow():
    assert (paths.ROOT / "Snakefile").is_file()
    assert (paths.SCRIPTS / "finetune.py").is_file()
    assert is_made_by_demo("resources/demo/checkpoints/xlsr")
    assert not is_made_by_demo("resources/encoders/xlsr")
    assert not is_made_by_demo(None)
