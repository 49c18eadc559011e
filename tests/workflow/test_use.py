"""`label.py` and exported models: the same predictions as in the workflow."""

import dataclasses
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import encoder
import export
import label as label_script
import numpy as np
import pooled
import predict
import pytest
import soundfile
import torch
import yaml
from conftest import ROOT, assert_close, named_generator
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from small_checkpoints import (
    LAYER_NORM,
    perturb,
    save_hubert,
    save_unispeech_sat,
    save_wav2vec2,
    save_wavlm,
    save_whisper,
)
from workflow_tools import Workflow

from ser.config.contradictions import TUNING
from ser.config.validation import recorded_model
from ser.core.constants import EMOTIONS
from ser.core.encoder_paths import ENCODER_FILES, encoder_folder
from ser.core.errors import UserError
from ser.core.files import read_json, read_rows, sha256, write_json, write_rows
from ser.corpora.audio import decode
from ser.deploy import label, model_card
from ser.deploy.label import WHOLE, Cutting
from ser.deploy.trained import open_trained
from ser.models import families
from ser.models.trainable_state import trained_state

FORMATS = (("wav", 44_100), ("flac", 48_000), ("ogg", 16_000), ("mp3", 22_050), ("wav", 16_000))
ADAPTED = ("cnn-lstm", "egemaps", "xlsr", "xlsr-frozen")  # one of each kind of embedding
MODELS = (*ADAPTED, "whisper")
LABELS = {"angry": "ang", "happy": "joy", "neutral": "0", "sad": "sad"}  # of German
SAVE = {"wavlm": save_wavlm, "hubert": save_hubert, "unispeech-sat": save_unispeech_sat}
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}  # tests may run in parallel


def recording(name: str, seconds: float, rate: int) -> np.ndarray:
    """Return stereo noise, different for every name; the second channel is louder."""
    noise = named_generator("use", name).standard_normal((int(seconds * rate), 2))
    return np.clip(noise * (0.05, 0.2), -1, 1)


def write_corpus(folder, labels: dict[str, str]) -> None:
    """Write a corpus of five speakers, each in another format, with all emotions, and silence to trim."""
    rows = []
    for speaker, (suffix, rate) in enumerate(FORMATS):
        for i, emotion in enumerate(EMOTIONS):
            name = f"{speaker}-{emotion}.{suffix}"
            (folder / "audio").mkdir(parents=True, exist_ok=True)
            speech = recording(f"{folder.name} {name}", 0.4 + 0.3 * i, rate)
            soundfile.write(folder / "audio" / name, np.pad(speech, ((rate // 5, rate // 4), (0, 0))), rate)
            rows.append((f"audio/{name}", speaker, labels.get(emotion, emotion)))
    write_rows(folder / "corpus.csv", ("file", "speaker", "emotion"), rows)


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    """Train small models on one small corpus and test them on another."""
    workflow = Workflow(tmp_path_factory.mktemp("use") / "repository")
    config = yaml.safe_load((ROOT / "demo" / "config" / "config.yaml").read_text(encoding="utf-8"))
    config |= {"seeds": [1], "few_shot": {"pool_per_emotion": 2}, "noise": {"format": "demand", "path": None}}
    for corpus in ("English", "German"):
        write_corpus(workflow.directory / corpus, LABELS if corpus == "German" else {})
        table = {"format": "table", "language": corpus, "path": f"{corpus}/corpus.csv"}
        config["corpora"][corpus] = table | {"trim_db": 40}
    config["corpora"]["German"]["labels"] = {"ang": "angry", "joy": "happy", 0: "neutral"}
    save_wav2vec2(workflow.directory / "checkpoints" / "xlsr", **LAYER_NORM)
    save_whisper(workflow.directory / "checkpoints" / "whisper")
    config["models"]["egemaps"] = {"title": "eGeMAPS (SVM)", "family": "svm"}
    for model in MODELS:
        entry = config["models"][model]
        if "checkpoint" in entry:
            entry["checkpoint"] = entry["checkpoint"].removeprefix("resources/demo/")
        entry["training"] = {"epochs": 1}
    config["experiments"] = dict.fromkeys(config["experiments"])
    pair = {"models": list(MODELS), "sources": ["English"], "targets": ["German"]}
    config["experiments"] |= {"table2": pair, "adaptation": pair | {"models": list(ADAPTED)}}
    workflow.configure(config)
    workflow.run("--cores", "2", "results/scores/table2.csv", "results/scores/adaptation.csv", "corpora")
    return workflow


def run_label(run, *arguments, status=0) -> list[dict]:
    """Run `label.py`, overwriting `labels.csv`, and return its rows."""
    assert label_script.main([*map(str, (run, *arguments)), "--overwrite"]) == status
    return read_rows("labels.csv")


@pytest.fixture(autouse=True)
def output(tmp_path_factory, monkeypatch):
    """Change to a new folder, and return the path of `labels.csv` in it."""
    monkeypatch.chdir(tmp_path_factory.mktemp("written"))
    return Path("labels.csv").absolute()


def probabilities(rows) -> np.ndarray:
    return np.array([[float(row[emotion]) for emotion in EMOTIONS] for row in rows])


def assert_predictions(workflow, rows, predictions, condition="clean") -> None:
    """Assert that rows of `labels.csv` equal the workflow's predictions."""
    own = {row["utterance"]: row for row in read_rows(predictions) if row["condition"] == condition}
    corpus = workflow.directory / "German"
    expected = [own[Path(row["file"]).relative_to(corpus).with_suffix("").as_posix()] for row in rows]
    assert len(rows) == len(own) == len(FORMATS) * len(EMOTIONS)
    assert_close(1e-5, probabilities(rows), probabilities(expected), "labels, against the workflow's predictions")
    assert np.ptp(probabilities(rows), axis=0).max() > 1e-4


def run_of(workflow, model: str) -> Path:
    return workflow.directory / "results" / "runs" / model / "English-to-any" / "0-shot" / "seed1"


def first_file(workflow) -> Path:
    return min((workflow.directory / "German" / "audio").iterdir())


class TestLabels:
    """Predictions of `label.py` for any file."""

    @pytest.mark.parametrize("model", MODELS)
    def test_predictions_equal_those_of_the_workflow(self, workflow, model):
        rows = run_label(run_of(workflow, model), workflow.directory / "German")
        results = workflow.directory / "results"
        assert_predictions(workflow, rows, results / f"predictions/{model}/English-to-any/0-shot/seed1.csv")
        for row, values in zip(rows, probabilities(rows), strict=True):
            assert row["predicted"] == EMOTIONS[values.argmax()]
            assert values.sum() == pytest.approx(1, abs=1e-7)
        assert {row["start"] for row in rows} == {"0.000"}
        trimmed = {row["file"]: float(row["seconds"]) for row in read_rows(results / "corpora/German/utterances.csv")}
        for row in rows:
            file = Path(row["file"]).relative_to(workflow.directory / "German").as_posix()
            assert float(row["end"]) == pytest.approx(soundfile.info(row["file"]).duration, abs=0.06)  # the whole file
            if file.endswith(("wav", "flac")):  # the others fill silence with noise
                assert trimmed[file] == pytest.approx(float(row["end"]) - 0.45, abs=0.05)

    @pytest.mark.parametrize("model", ADAPTED)
    def test_adapted_predictions_equal_those_of_the_workflow(self, workflow, model):
        rows = run_label(run_of(workflow, model), workflow.directory / "German", "--adapt")
        predictions = workflow.directory / f"results/predictions/{model}/English-to-any/0-shot/seed1.csv"
        assert_predictions(workflow, rows, predictions, "adapted")
        plain = run_label(run_of(workflow, model), workflow.directory / "German")
        assert np.abs(probabilities(rows) - probabilities(plain)).max() > 1e-4

    def test_adapting_to_few_recordings_is_refused(self, workflow, output):
        with pytest.raises(UserError, match=r"at least 20 recordings.*there are 1:"):
            label_script.main([str(run_of(workflow, "cnn-lstm")), str(first_file(workflow)), "--adapt"])
        assert not output.exists()

    def test_run_without_calibration_cannot_adapt(self, workflow, tmp_path):
        calibration = run_of(workflow, "cnn-lstm") / "calibration.safetensors"
        calibration.rename(tmp_path / "kept")
        try:
            with pytest.raises(
                UserError,
                match=r"run `snakemake results/runs/cnn-lstm/.*calibration\.safetensors` with your usual options",
            ):
                label_script.main([str(run_of(workflow, "cnn-lstm")), str(first_file(workflow)), "--adapt"])
        finally:
            (tmp_path / "kept").rename(calibration)

    @pytest.mark.parametrize(
        ("family", "change"),
        [
            *(("wav2vec2", {"tuning": {"method": method}}) for method in TUNING if method not in ("lora", "frozen")),
            ("wav2vec2", {"tuning": {"method": "lora", "modules": "attention"}}),
            ("whisper", {"tuning": {"method": "full"}, "weights": "random"}),
            *(("whisper", {"tuning": {"method": m}, "context": "30s"}) for m in ("lora", "frozen")),
            *((family, {"tuning": {"method": "lora"}}) for family in SAVE),
            ("hubert", {"tuning": {"method": "frozen"}, "pooling": {"layers": "weighted"}}),
        ],
        ids=lambda value: value if isinstance(value, str) else description(value),
    )
    def test_every_fine_tuning_method_and_family(self, workflow, family, change, tmp_path, monkeypatch):
        run, predictions = trained_run(workflow, family, change, tmp_path, monkeypatch)
        rows = run_label(run, workflow.directory / "German")
        assert_predictions(workflow, rows, predictions)
        export.main([str(run), str(tmp_path / "exported")])
        assert run_label(tmp_path / "exported", workflow.directory / "German") == rows
        assert (tmp_path / "exported/encoder/model.safetensors").exists() == ("weights" not in change)

    def test_predictions_do_not_depend_on_other_files_or_order(self, workflow):
        run, folder = run_of(workflow, "xlsr"), workflow.directory / "German" / "audio"
        alone = run_label(run, folder / "3-sad.mp3")
        files = sorted(folder.iterdir(), reverse=True)
        together = run_label(run, *files, folder)
        assert [row["file"] for row in together] == list(map(str, files))  # each once
        (same,) = (row for row in together if row["file"] == alone[0]["file"])
        assert_close(1e-5, probabilities([same]), probabilities(alone), "labels together, against alone")

    def test_only_audio_files_of_a_folder_are_used(self, workflow, tmp_path):
        audio = workflow.directory / "German" / "audio"
        for name in ("b/one.WAV", "b/._one.wav", "b/.hidden.wav", "notes.txt", "a.wav"):
            (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(audio / "4-sad.wav", tmp_path / "in" / name)
        rows = run_label(run_of(workflow, "cnn-lstm"), tmp_path / "in")
        assert [row["file"] for row in rows] == [str(tmp_path / "in" / name) for name in ("a.wav", "b/one.WAV")]
        # a file given by name is read whatever its suffix
        assert probabilities(run_label(run_of(workflow, "cnn-lstm"), tmp_path / "in/notes.txt")).shape == (1, 4)

    def test_file_name_that_is_not_utf_8(self, workflow, tmp_path):
        name = os.fsdecode(b"caf\xe9.wav")
        shutil.copy(workflow.directory / "German/audio/4-sad.wav", tmp_path / name)
        (row,) = run_label(run_of(workflow, "cnn-lstm"), tmp_path)
        assert row["file"] == f"{tmp_path}/caf\N{REPLACEMENT CHARACTER}.wav"


def description(change: dict) -> str:
    """Return the values of a change to a model's entry, as part of a file name."""
    values = [value.values() if isinstance(value, dict) else [value] for value in change.values()]
    return "-".join(itertools.chain.from_iterable(values))


def extract_encoder(checkpoint: Path, family: str, folder: Path) -> None:
    """Do what rule `encoder` does."""
    folder.mkdir(parents=True)
    names = ("weights", "config", "preprocessor", "revision")
    outputs = SimpleNamespace(**{name: folder / file for name, file in zip(names, ENCODER_FILES, strict=True)})
    settings = {"checkpoint": str(checkpoint), "family": family}
    encoder.main(SimpleNamespace(params=SimpleNamespace(settings=settings), output=outputs))


def trained_run(workflow, family: str, change: dict, folder: Path, monkeypatch) -> tuple[Path, Path]:
    """Return a run with random weights, and the workflow's predictions with it."""
    checkpoint = "checkpoints/xlsr" if family == "wav2vec2" else f"checkpoints/{family}"
    entry = recorded_model({"family": family, "checkpoint": checkpoint} | change)
    extracted = workflow.directory / encoder_folder(entry)
    if not extracted.exists():
        SAVE[family](workflow.directory / checkpoint)
        extract_encoder(workflow.directory / checkpoint, family, extracted)
    torch.manual_seed(1)
    model = families.build(entry, extracted)
    perturb(model)
    run = run_of(workflow, f"{family}-{description(change)}")
    run.mkdir(parents=True, exist_ok=True)
    save_file(trained_state(model), run / "weights.safetensors")
    shutil.copy(run_of(workflow, "xlsr") / "history.csv", run)
    record = read_json(run_of(workflow, "xlsr") / "run.json")
    record |= {"model": run.parents[2].name, "encoder_sha256": read_json(extracted / "revision.json")["sha256"]}
    record["weights_sha256"] = sha256(run / "weights.safetensors")
    record["settings"]["model"] = entry
    write_json(run / "run.json", record)

    corpus = workflow.directory / "results/corpora/German"
    job = SimpleNamespace(
        threads=1,
        params=SimpleNamespace(settings={"model": entry, "batch_size": 16, "predicted": [["German", "clean"]]}),
        resources=SimpleNamespace(device="cpu", mem_mb=2000, tmpdir=folder),
        input=SimpleNamespace(
            calibration=[],
            encoder=[str(extracted / name) for name in ENCODER_FILES],
            utterances=[corpus / "utterances.csv"],
            frames=[corpus / "clean/audio.npy"],
            weights=run / "weights.safetensors",
        ),
        output=SimpleNamespace(vectors=folder / "pooled.npy", predictions=folder / "predictions.csv"),
    )
    if families.is_frozen(entry):
        given = {"utterances": corpus / "utterances.csv", "audio": corpus / "clean/audio.npy"}
        own = {
            "params": SimpleNamespace(settings=entry),
            "input": SimpleNamespace(**given, encoder=job.input.encoder),
        }
        pooled.main(SimpleNamespace(**vars(job) | own))
        job.input.frames = [folder / "pooled.npy"]
    predict.main(job)
    return run, folder / "predictions.csv"


@pytest.mark.parametrize("model", ["cnn-lstm", "xlsr-frozen"])
def test_calibration_has_the_statistics_of_the_training_data(workflow, model):
    trained = open_trained(run_of(workflow, model))
    classifier = label.Classifier(trained, torch.device("cpu"))
    split = read_rows(workflow.directory / "results/splits/English/seed1/source.csv")

    def embedded(role):
        names = [row["utterance"] for row in split if row["role"] == role]
        files = [next((workflow.directory / "English").glob(f"{name}.*")) for name in names]
        return classifier.embeddings([classifier.frames(decode(file.read_bytes(), str(file))) for file in files])

    expected, other = (embedded(role).double() for role in ("train", "dev"))
    assert_close(1e-5, trained.calibration.mean, expected.mean(dim=0), "calibration, against training data")
    assert_close(1e-5, trained.calibration.deviation, expected.std(dim=0, correction=0), "calibration")
    assert (trained.calibration.mean - other.mean(dim=0)).abs().max() > 1e-3


class TestWindows:
    """Windows of long recordings, each classified like a separate file."""

    @given(
        samples=st.integers(400, 2_000_000),
        window=st.floats(0.025, 40),
        hop=st.floats(0.01, 1),
        longest=st.floats(0, 60),
    )
    def test_windows_cover_a_recording(self, samples, window, hop, longest):
        cutting = Cutting(longest, window, max(0.025, window * hop))
        windows = cutting.windows(samples)
        assert windows[0][0] == 0
        assert windows[-1][1] == samples
        if len(windows) > 1:
            assert samples > longest * 16_000
            assert {end - start for start, end in windows} == {round(window * 16_000)}
            starts = [start for start, _ in windows]
            assert starts == sorted(set(starts))
            assert all(after <= end for (_, end), after in zip(windows, starts[1:], strict=False))
        else:
            assert samples <= max(longest, window) * 16_000 + 1
        assert WHOLE.windows(samples) == [(0, samples)]

    @pytest.fixture
    def long(self, tmp_path):
        """Return a recording of 41 s at 16 kHz, silent from 20 to 31 s."""
        samples = (recording("long", 41, 16_000) * 8_000).astype(np.int16)
        samples[20 * 16_000 : 31 * 16_000] = 0
        soundfile.write(tmp_path / "long.wav", samples, 16_000)
        return tmp_path / "long.wav"

    @pytest.mark.parametrize("model", ["cnn-lstm", "whisper"])
    def test_windows_equal_separate_files(self, workflow, long, model, tmp_path):
        run = run_of(workflow, model)
        rows = run_label(run, long)
        # windows start at 0, 5, ... 30 and 31 s; the one at 20 s is silent
        starts = (0, 5, 10, 15, 25, 30, 31)
        assert [(row["start"], row["end"]) for row in rows] == [(f"{at}.000", f"{at + 10}.000") for at in starts]
        samples, rate = soundfile.read(long, dtype="int16")
        (tmp_path / "cut").mkdir()
        for at in starts:
            soundfile.write(tmp_path / "cut" / f"{at:02}.wav", samples[at * rate : (at + 10) * rate], rate)
        cut = run_label(run, tmp_path / "cut")
        assert_close(1e-5, probabilities(rows), probabilities(cut), "windows, against files")
        (mean,) = run_label(run, long, "--per-file")
        assert (mean["start"], mean["end"]) == ("0.000", "41.000")
        np.testing.assert_allclose(probabilities([mean])[0], probabilities(rows).mean(axis=0), atol=1e-7)

    def test_window_options(self, workflow, long):
        run = run_of(workflow, "xlsr")
        whole = run_label(run, long, "--whole")
        assert [(row["start"], row["end"]) for row in whole] == [("0.000", "41.000")]
        short = workflow.directory / "German/audio/4-sad.wav"  # of 1.75 s
        rows = run_label(run, short, long, "--window", "1", "--hop", "1")
        assert [row["start"] for row in rows[:3]] == ["0.000", "0.750", "0.000"]
        assert len(rows) == 2 + 41 - 11
        assert len(run_label(run, short, "--window", "0.5")) == 6

    def test_no_window_is_longer_than_whispers_input(self, workflow, long, capsys):
        """A recording of 32 s is one utterance for other models, of up to 35 s."""
        samples, rate = soundfile.read(long, dtype="int16")
        soundfile.write(long, samples[: 32 * rate], rate)
        assert [row["end"] for row in run_label(run_of(workflow, "xlsr"), long)] == ["32.000"]
        rows = run_label(run_of(workflow, "whisper"), long)
        assert [row["end"] for row in rows] == ["10.000", "15.000", "20.000", "25.000", "32.000"]
        short = workflow.directory / "German/audio/4-sad.wav"
        assert len(run_label(run_of(workflow, "whisper"), short, long, "--whole", status=3)) == 1
        assert "long.wav is longer than this encoder's limit of 30 s: leave out --whole" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("model", "options", "message"),
        [
            ("cnn-lstm", ("--window", "0.001"), "a window of 0.001 s is too short"),
            ("cnn-lstm", ("--window", "nan"), "a window of nan s is too short"),
            ("cnn-lstm", ("--hop", "0"), "a hop of 0 s is not allowed for windows of 10 s"),
            ("cnn-lstm", ("--window", "2", "--hop", "3"), "a hop of 3 s is not allowed for windows of 2 s"),
            ("cnn-lstm", ("--whole", "--hop", "3"), "--hop cannot be used with --whole"),
            ("whisper", ("--window", "31"), "a window of 31 s is too long: this encoder's limit is 30 s"),
        ],
    )
    def test_invalid_options_are_rejected(self, workflow, long, model, options, message, output):
        with pytest.raises(UserError, match=message):
            run_label(run_of(workflow, model), long, *options)
        assert not output.exists()


class TestBrokenFiles:
    """Unreadable files are reported and skipped; the output is complete or absent."""

    @pytest.fixture
    def mixed(self, workflow, tmp_path):
        folder = tmp_path / "mixed"
        shutil.copytree(workflow.directory / "German" / "audio", folder)
        whole = (folder / "0-sad.wav").read_bytes()
        (folder / "cut.wav").write_bytes(whole[: len(whole) // 2])
        (folder / "text.flac").write_text("no audio")
        soundfile.write(folder / "silent.wav", np.zeros(16_000), 16_000)
        (folder / "empty.mp3").touch()
        (folder / "telephone.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
        (folder / "browser.webm").write_bytes(b"\x1a\x45\xdf\xa3")
        # too loud for silence as a whole, but not in any window
        soundfile.write(folder / "drift.wav", np.linspace(-0.01, 0.01, 40 * 16_000) ** 3, 16_000)
        return folder

    def test_unreadable_files_are_reported_and_skipped(self, workflow, mixed, capsys):
        rows = run_label(run_of(workflow, "cnn-lstm"), mixed, status=3)
        errors = capsys.readouterr().err
        bad = ("cut.wav", "text.flac", "silent.wav", "empty.mp3", "telephone.m4a", "browser.webm", "drift.wav")
        assert len(rows) == 20
        assert not {Path(row["file"]).name for row in rows} & {*bad}
        for name in bad:
            assert f"label: skipped: {mixed / name} " in errors
        assert "7 of 27 files were skipped" in errors

    def test_no_output_without_readable_files(self, workflow, mixed, output):
        output.write_text("from before")
        with pytest.raises(UserError, match="none of the 2 files could be classified: no output was written"):
            run_label(run_of(workflow, "cnn-lstm"), mixed / "cut.wav", mixed / "text.flac")
        assert output.read_text() == "from before"
        assert list(output.parent.iterdir()) == [output]

    def test_output_is_replaced_only_with_overwrite(self, workflow, output):
        output.write_text("from before")
        recording = workflow.directory / "German/audio/4-sad.wav"
        with pytest.raises(UserError, match="already exists: choose another --output, or pass --overwrite"):
            label_script.main([str(run_of(workflow, "cnn-lstm")), str(recording)])
        assert output.read_text() == "from before"
        assert len(run_label(run_of(workflow, "cnn-lstm"), recording)) == 1

    def test_interrupted_run_leaves_no_output(self, workflow, output, monkeypatch):
        def interrupted(*arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr(label.Classifier, "probabilities", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_label(run_of(workflow, "cnn-lstm"), workflow.directory / "German")
        assert list(output.parent.iterdir()) == []

    def test_missing_file_or_folder_without_audio_is_rejected(self, workflow, tmp_path):
        run = run_of(workflow, "cnn-lstm")
        with pytest.raises(UserError, match=r"nowhere\.wav does not exist"):
            run_label(run, workflow.directory / "German", tmp_path / "nowhere.wav")
        with pytest.raises(UserError, match=r"config contains no audio files: no file name ends in \.wav"):
            run_label(run, workflow.directory / "config")

    def test_command_line_error(self, workflow, tmp_path):
        command = [sys.executable, str(ROOT / "workflow/scripts/label.py"), str(tmp_path), str(tmp_path)]
        shutil.copy(workflow.directory / "German/audio/4-sad.wav", tmp_path)
        result = subprocess.run(command, cwd=tmp_path, env=ONE_THREAD, capture_output=True, text=True)
        assert result.returncode == 1
        assert result.stderr.startswith(f"label: {tmp_path} has no run.json: it is not a training run, or")

    @pytest.mark.parametrize(("output", "message"), [(".", "is not a file"), ("recording", "is one of the recordings")])
    def test_output_that_cannot_be_written(self, workflow, output, message):
        recording = str(first_file(workflow))
        path = recording if output == "recording" else output
        with pytest.raises(UserError, match=message):
            label_script.main([str(run_of(workflow, "cnn-lstm")), recording, "--output", path, "--overwrite"])


class TestExport:
    """Exported models: self-contained folders, verified on loading."""

    @pytest.fixture(params=["cnn-lstm", "xlsr"])
    def exported(self, request, workflow, tmp_path):
        export.main([str(run_of(workflow, request.param)), str(tmp_path / "exported")])
        return tmp_path / "exported"

    def test_export_contains_only_required_files(self, workflow, exported):
        found = {path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()}
        own = {
            "README.md",
            "weights.safetensors",
            "run.json",
            "history.csv",
            "calibration.safetensors",
        }
        encoder = {f"encoder/{name}" for name in ENCODER_FILES}
        model = read_json(exported / "run.json")["model"]
        assert found == own | (encoder if model == "xlsr" else set())
        assert list(exported.parent.glob(".*")) == []

    def test_moved_export_gives_the_same_output(self, workflow, exported, output, tmp_path):
        run = run_of(workflow, read_json(exported / "run.json")["model"])
        run_label(run, workflow.directory / "German")
        expected = output.read_bytes()
        elsewhere = tmp_path / "another" / "place"
        shutil.copytree(exported, elsewhere)
        (elsewhere / "README.md").write_text("edited")
        shutil.rmtree(exported)
        run_label(elsewhere, workflow.directory / "German")
        assert output.read_bytes() == expected

    def test_missing_or_damaged_file_is_rejected(self, exported):
        for path in [path for path in exported.rglob("*") if path.is_file() and path.name != "README.md"]:
            content, name = path.read_bytes(), path.relative_to(exported).as_posix()
            path.unlink()
            if name != "calibration.safetensors":  # only --adapt needs it
                with pytest.raises(UserError, match=rf"{exported}.* {name}"):
                    open_trained(exported)
            middle = len(content) // 2
            flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            checked = name in ("weights.safetensors", "encoder/model.safetensors")
            path.write_bytes(flipped if checked else content[:middle])
            if name not in ("history.csv", "encoder/revision.json"):  # no prediction depends on these
                with pytest.raises(UserError, match=re.escape(str(path))):
                    label.Classifier(open_trained(exported), torch.device("cpu"), adapt=True)
            path.write_bytes(content)
        label.Classifier(open_trained(exported), torch.device("cpu"), adapt=True)

    def test_existing_output_folder_is_rejected(self, workflow, tmp_path):
        run = str(run_of(workflow, "cnn-lstm"))
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "mine.txt").write_text("mine")
        (tmp_path / "file").write_text("mine")
        for name in ("full", "file"):
            with pytest.raises(UserError, match=rf"{name} already exists: choose a new folder"):
                export.main([run, str(tmp_path / name)])
        (tmp_path / "empty").mkdir()
        export.main([run, str(tmp_path / "empty")])
        with pytest.raises(UserError, match="is already an exported model"):
            export.main([str(tmp_path / "empty"), str(tmp_path / "again")])
        assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "full"]

    def test_calibration_of_other_weights_is_not_exported(self, workflow, tmp_path):
        calibration = run_of(workflow, "cnn-lstm") / "calibration.safetensors"
        content = calibration.read_bytes()
        other = run_of(workflow, "xlsr") / "calibration.safetensors"
        try:
            calibration.write_bytes(other.read_bytes())
            with pytest.raises(UserError, match=r"calibration\.safetensors was computed for other weights"):
                export.main([str(calibration.parent), str(tmp_path / "exported")])
        finally:
            calibration.write_bytes(content)
        assert list(tmp_path.iterdir()) == []


class TestModelCard:
    """Text and Hub metadata of the model card."""

    def card(self, workflow, model, folder):
        export.main([str(run_of(workflow, model)), str(folder)])
        return ModelCard.load(folder / "README.md")

    def test_scores_equal_those_of_the_workflow(self, workflow, tmp_path):
        card = self.card(workflow, "xlsr", tmp_path / "exported")
        rows = [
            row for row in read_rows(workflow.directory / "results/scores/adaptation.csv") if row["model"] == "xlsr"
        ]
        assert {row["test_set"] for row in rows} == {"all", "test"}
        found = {
            (one.dataset_name, one.dataset_config, one.dataset_split, one.metric_type): one.metric_value
            for one in card.data.eval_results
        }
        for row in rows:
            key = (row["target"], row["condition"], row["test_set"])
            assert found.pop((*key, "recall")) == pytest.approx(float(row["uar"]), abs=0.005)
            assert found.pop((*key, "accuracy")) == pytest.approx(float(row["accuracy"]), abs=0.005)
            cells = (*key, row["n"], f"{float(row['uar']):.1f}", f"{float(row['accuracy']):.1f}")
            assert f"| {' | '.join(cells)} |" in card.text
        assert found == {}

    def test_metadata(self, workflow, tmp_path):
        card = self.card(workflow, "xlsr-frozen", tmp_path / "exported")
        data = card.data.to_dict()
        assert (data["language"], data["pipeline_tag"], data["license"]) == (["en"], "audio-classification", "other")
        assert "base_model" not in data  # a local folder is not on the Hub
        run = read_json(run_of(workflow, "xlsr-frozen") / "run.json")
        assert f"{run['parameters']['trained']:,}" in card.text
        assert "English: its creator's licence" in card.text
        assert "| source | English: English, 5 speakers |" in card.text

    def test_run_within_a_corpus(self, workflow):
        trained = open_trained(run_of(workflow, "xlsr"))
        within = dataclasses.replace(trained, record=trained.record | {"target": "English"})
        card = ModelCard(model_card.model_card(within))
        assert "# xlsr, trained on English, for its other speakers\n" in card.text
        assert "trained on some speakers of a corpus,\ntested on its others.\n" in card.text
        alone = dataclasses.replace(trained, record=within.record | {"shots": 50})
        card = ModelCard(model_card.model_card(alone))
        assert "# xlsr, trained on 50 utterances of English, for its other speakers\n" in card.text
        assert "| target | " not in card.text

    def test_scores_older_than_the_weights_are_left_out(self, workflow, tmp_path):
        run = run_of(workflow, "whisper")
        times = os.stat(run / "weights.safetensors")
        try:
            os.utime(run / "weights.safetensors")
            card = self.card(workflow, "whisper", tmp_path / "exported")
        finally:
            os.utime(run / "weights.safetensors", (times.st_atime, times.st_mtime))
        assert card.data.eval_results is None
        assert "When it was exported, this run had no predictions that were newer than its weights." in card.text

    def test_notes_on_the_target_and_on_a_local_copy_of_a_checkpoint(self, workflow):
        archive = workflow.directory / "results/corpora/German/archive.json"
        kept, provenance = archive.read_bytes(), workflow.directory / "results/provenance.json"
        trained = open_trained(run_of(workflow, "xlsr"))
        copied = {"checkpoint": trained.model["checkpoint"], "copy_of": "facebook/wav2vec2-large-xlsr-53"}
        try:
            write_json(archive, read_json(archive) | {"verification": {"level": "names", "notes": ["altered audio"]}})
            write_json(provenance, {"label": None, "config": {"models": {"xlsr": copied}}})
            card = ModelCard(model_card.model_card(trained))
        finally:
            archive.write_bytes(kept)
            provenance.unlink()
        assert "**German: altered audio.**" in card.text
        assert "| target |" not in card.text
        assert f"a local copy of [{copied['copy_of']}](https://huggingface.co/{copied['copy_of']})" in card.text
        assert "Multilingual LibriSpeech, Common Voice, BABEL, 56000 h" in card.text

    def test_published_corpora_and_checkpoint_with_few_shots(self, workflow):
        """Licences, languages and notes come from the files that ingestion writes."""
        folder = workflow.directory / "results/corpora"
        kept = {name: (folder / name / "archive.json").read_bytes() for name in ("English", "German")}
        trained = open_trained(run_of(workflow, "xlsr"))
        checkpoint = {
            "checkpoint": "facebook/wav2vec2-large-xlsr-53",
            "revision": "c3f9d884181a224a6ac87bf8885c84d1cff3384f",
        }
        few_shot = {"target": "German", "shots": 8}
        trained = dataclasses.replace(trained, record=trained.record | few_shot, model=trained.model | checkpoint)
        try:
            checked = {"level": "names", "notes": ["altered audio, not comparable"]}
            unchecked = {"level": "none", "notes": []}
            for name, corpus_format, level in (("English", "iemocap", unchecked), ("German", "emodb", checked)):
                archive = read_json(folder / name / "archive.json") | {"format": corpus_format, "verification": level}
                write_json(folder / name / "archive.json", archive)
            write_json(folder.parent / "provenance.json", {"label": "a rehearsal"})
            card = ModelCard(model_card.model_card(trained))
        finally:
            (folder.parent / "provenance.json").unlink(missing_ok=True)
            for name, content in kept.items():
                (folder / name / "archive.json").write_bytes(content)
        data = card.data.to_dict()
        assert (data["language"], data["base_model"]) == (["en", "de"], checkpoint["checkpoint"])
        for text in (
            "# xlsr, trained on English and 8 utterances of German\n",
            "**a rehearsal.**",
            "**German: altered audio, not comparable.**",
            "Multilingual LibriSpeech, Common Voice, BABEL, 56000 h",
            "- English: not verified to be a published corpus. If it is the one with this layout, IEMOCAP: ",
            "licensed to each user by the University of Southern California (https://sail.usc.edu/iemocap/)",
            "**English: not verified to be the published recordings.**",
            "| source | English: English, 5 speakers |",
            "\n- German: EMODB, version 1: CC0 1.0",
            "| target | German: German, 5 speakers |",
            f"at revision {checkpoint['revision']}",
        ):
            assert text in card.text, text


class TestRuns:
    """Unfinished, incomplete or inconsistent runs are rejected."""

    @pytest.fixture
    def results(self, workflow, tmp_path):
        """Copy one run and its encoder, to be damaged."""
        for part in ("results/runs/xlsr", "resources/encoders"):
            shutil.copytree(workflow.directory / part, tmp_path / part)
        return tmp_path

    def test_changed_or_missing_encoder_is_rejected(self, results):
        run = results / "results/runs/xlsr/English-to-any/0-shot/seed1"
        open_trained(run)
        (encoder,) = results.glob("resources/encoders/*xlsr/model.safetensors")
        tensors = load_file(encoder)
        tensors["encoder.layer_norm.bias"][0] += 1e-3
        save_file(tensors, encoder)
        with pytest.raises(UserError, match=rf"{encoder} is damaged, or not that of {run}"):
            open_trained(run)
        encoder.unlink()
        with pytest.raises(UserError, match=rf"{run}: .*safetensors does not exist\. Run `snakemake resources/"):
            open_trained(run)

    def test_moved_or_missing_run_is_rejected(self, results):
        run = results / "results/runs/xlsr/English-to-any/0-shot/seed1"
        moved = run.rename(run.with_name("seed2"))
        with pytest.raises(UserError, match=r"model.* not exist\..* \S+/0-shot/seed1, which was moved"):
            open_trained(moved)
        with pytest.raises(UserError, match=r"0-shot has no run\.json: it is not a training run, or training has not"):
            open_trained(run.parent)
        with pytest.raises(UserError, match="seed1 is not a folder: pass a run"):
            open_trained(run)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"settings": None}, "is not the record of a training run"),
            ({"settings": {"model": []}}, "is not the record of a training run"),
            ({"settings": {"model": {"family": "os.path"}}}, "family: 'os.path' is not allowed"),
            ({"settings": {"model": {"family": "wav2vec2"}}}, "checkpoint is missing"),
            ({"settings": {"model": {"family": "cnn-lstm", "code": "x"}}}, "code: unknown key"),
        ],
    )
    def test_invalid_record_is_rejected(self, results, change, message):
        run = results / "results/runs/xlsr/English-to-any/0-shot/seed1"
        write_json(run / "run.json", read_json(run / "run.json") | change)
        with pytest.raises(UserError, match=message):
            open_trained(run)
        (run / "run.json").write_text("{")
        with pytest.raises(UserError, match=rf"{run}/run\.json is damaged: Expecting property name"):
            open_trained(run)


def test_documented_commands_run(workflow, tmp_path):
    """Run the commands of docs/how-to/trained-model.md."""
    text = (ROOT / "docs" / "how-to" / "trained-model.md").read_text(encoding="utf-8")
    commands = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    assert commands.count("label.py") == 3
    assert commands.count("export.py") == 1
    shutil.copytree(workflow.directory / "German" / "audio", workflow.repository / "recordings", dirs_exist_ok=True)
    soundfile.write(workflow.repository / "recordings" / "interview.flac", recording("interview", 9, 48_000), 48_000)
    environment = ONE_THREAD | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(
        ["bash", "-ex"], input=commands, cwd=workflow.repository, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
