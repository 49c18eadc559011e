"""What is done, running and missing: read beside a real Snakemake, and from made-up folders with known answers."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import matplotlib.image
import progress
import pytest
import yaml
from conftest import ROOT
from workflow_tools import Workflow

from ser.config import experiments, validation
from ser.core.errors import UserError
from ser.legacy import grid, run_options

CONFIG = {
    "seeds": [1, 2],
    "corpora": {
        name: {"format": "table", "language": name, "path": f"{name}.csv", "labels": {"a": "angry"}}
        for name in ("GERMAN", "ENGLISH", "URDU")
    },
    "conditions": {"clean": {}, "noisy": {"snr_db": 10, "environments": ["NPARK"]}},
    "models": {
        "small": {"title": "Small", "family": "cnn-lstm"},
        "large": {"title": "Large", "family": "cnn-lstm"},
    },
    "experiments": {
        "table2": {"models": ["small", "large"], "sources": ["URDU", "GERMAN"], "targets": ["GERMAN", "ENGLISH"]},
        "figure2": {"models": ["small"], "source": "URDU", "targets": ["GERMAN"], "shots": [100, 50, 0]},
        "figure3": {"models": ["large"], "source": "URDU", "targets": ["GERMAN"], "condition": "noisy"},
        "random_init": None,
        "tuning": None,
    },
}
ZERO_SHOT = "small/URDU-to-any/0-shot/seed1"
FEW_SHOT = "small/URDU-to-GERMAN/50-shot/seed2"
PREDICTION = "results/predictions/small/URDU-to-GERMAN/0-shot/seed2/clean.csv"
NOBODY = grid.Marks({}, held=False)


@pytest.fixture(scope="module")
def config():
    return validation.load(CONFIG)


@pytest.fixture
def place(tmp_path):
    """A working directory with a configuration, in which nothing is done."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False), encoding="utf-8")
    return tmp_path


def touch(directory, *paths):
    for path in paths:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).touch()


def names_and_times(directory):
    """Every file and folder with its time of modification, the log of Snakemake aside."""
    paths = (path for path in directory.rglob("*") if ".snakemake/log" not in str(path))
    return {path: path.stat().st_mtime_ns for path in paths}


class TestBesideSnakemake:
    """A real Snakemake at work, killed, and unlocked."""

    # 200 characters: in base64 longer than a file's name may be
    LONG = f"results/{'l' * 188}.csv"
    SNAKEFILE = f"""
rule all:
    input: {PREDICTION!r}, {grid.training_files(ZERO_SHOT)!r}, {LONG!r}
rule predict:
    output: {PREDICTION!r}
    shell: "echo > {{output}}"
rule finetune:
    output: {grid.training_files(ZERO_SHOT)!r}
    shell: "sleep 300"
rule long:
    output: {LONG!r}
    shell: "sleep 300"
"""

    @pytest.fixture
    def snakemake(self, place):
        (place / "Snakefile").write_text(self.SNAKEFILE, encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--snakefile", "Snakefile", "--directory", ".", "--cores", "3"]
        process = subprocess.Popen(
            command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        yield process
        self.kill(process)

    def kill(self, process):
        """End Snakemake and its jobs without a last word."""
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        process.wait()

    def test_marks(self, place, snakemake, config, capsys):
        expected = {*grid.training_files(ZERO_SHOT), self.LONG}
        deadline = time.monotonic() + 240
        while grid.read_marks(place).started.keys() != expected or not (place / PREDICTION).exists():
            assert snakemake.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert any(path.name.startswith("@") for path in (place / ".snakemake" / "incomplete").iterdir())

        before = names_and_times(place)
        progress.main(["--directory", str(place), "--png", str(place / "seen" / "grid.png")])
        assert {path: before.get(path) for path in names_and_times(place)} == before | {
            place / "seen": None,
            place / "seen" / "grid.png": None,
        }
        shown = capsys.readouterr().out
        assert "trainings: 0 of 12 done, 1 running, 11 missing" in shown
        assert "predictions: 1 of 18 done, 0 running, 17 missing" in shown
        assert f"training now:\n  {ZERO_SHOT}\n" in shown
        assert "URDU    GERMAN   1/2+1  0/2" in shown
        assert "interrupted" not in shown

        self.kill(snakemake)
        assert grid.read_marks(place).held  # nothing tells a dead Snakemake's lock from a living one's
        unlock = [sys.executable, "-m", "snakemake", "--snakefile", "Snakefile", "--directory", ".", "--unlock"]
        subprocess.run(unlock, cwd=place, check=True, capture_output=True)
        marks = grid.read_marks(place)
        assert marks.started.keys() == expected
        assert not marks.held
        states = grid.read_states(config, place, marks)
        assert states.trainings[ZERO_SHOT] == grid.INTERRUPTED
        shown = grid.report(grid.grids(config, states), states, {}, marks)
        assert "trainings: 0 of 12 done, 0 running, 12 missing" in shown
        assert "1 interrupted" in shown

    def test_no_snakemake_ever(self, tmp_path):
        assert grid.read_marks(tmp_path) == NOBODY

    def test_what_is_no_mark(self):
        assert grid.output_of_mark(["migration_underway"]) is None
        assert grid.output_of_mark(["cmVzdWx0cw=="]) == "results"


class TestConfiguration:
    """Merged as Snakemake merges."""

    @pytest.mark.parametrize("own", [True, False], ids=["beside the directory's own", "alone"])
    def test_as_snakemake(self, tmp_path, own):
        (tmp_path / "work" / "config").mkdir(parents=True)
        if own:
            text = "seeds: [1]\nmodels: {a: {x: 1, y: 2}}\nonly: 1\nnested: {gone: null}\n"
            (tmp_path / "work" / "config" / "config.yaml").write_text(text)
        (tmp_path / "first.yaml").write_text("seeds: [1, 2]\nmodels: {a: {x: 3}}\nexperiments: {t: {s: [A]}}\n")
        (tmp_path / "second.yaml").write_text("models: {b: {}}\nexperiments: {t: null}\nnested: {gone: {deep: 1}}\n")
        (tmp_path / "Snakefile").write_text(
            'configfile: "config/config.yaml"\n'
            "import json\n"
            'with open("seen.json", "w") as file:\n'
            "    json.dump(config, file)\n"
            "rule all:\n"
        )
        files = ["first.yaml", "second.yaml"]
        command = [sys.executable, "-m", "snakemake", "--dry-run", "--directory", "work", "--configfile", *files]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        ours = run_options.merged_config(tmp_path / "work", [tmp_path / name for name in files])
        assert ours == json.loads((tmp_path / "work" / "seen.json").read_text())

    def test_none_at_all(self, tmp_path):
        with pytest.raises(UserError, match=r"config\.yaml does not exist: name the folder"):
            run_options.merged_config(tmp_path, [])

    @pytest.mark.parametrize("text", ["a: [", "- a", "\xff"])
    def test_unreadable(self, tmp_path, text):
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="latin-1")
        with pytest.raises(UserError, match="cannot be read as a configuration"):
            run_options.merged_config(tmp_path, [path])

    def test_no_folder(self, tmp_path):
        with pytest.raises(UserError, match="is no folder"):
            progress.main(["--directory", str(tmp_path / "nowhere")])


def test_the_workflows_own_paths(tmp_path):
    """The demo has every kind of experiment: what it plans to write is what is looked for."""
    workflow = Workflow(tmp_path / "repository")
    shutil.copy2(ROOT / "demo" / "config" / "config.yaml", workflow.directory / "config" / "config.yaml")
    jobs = re.findall(r"^rule (finetune|predict):.*?^ +output: (.+?)$", workflow.run("-n").stdout, re.DOTALL | re.M)
    planned = {rule: {path for name, paths in jobs if name == rule for path in paths.split(", ")} for rule, _ in jobs}
    needed = experiments.predictions(validation.load(workflow.config()))
    assert planned["finetune"] == {path for p in needed for path in grid.training_files(p.training)}
    assert planned["predict"] == {p.file for p in needed}


class TestStates:
    """From files and marks to states."""

    def test_a_training_needs_all_its_files(self, config, tmp_path):
        *some, last = grid.training_files(ZERO_SHOT)
        touch(tmp_path, *some)
        assert grid.read_states(config, tmp_path, NOBODY).trainings[ZERO_SHOT] == grid.MISSING
        touch(tmp_path, last)
        assert grid.read_states(config, tmp_path, NOBODY).trainings[ZERO_SHOT] == grid.DONE

    def test_what_is_written_again_is_not_done(self, config, tmp_path):
        touch(tmp_path, PREDICTION)
        done, again, stopped = (
            grid.state_of([PREDICTION], tmp_path, marks)
            for marks in (NOBODY, grid.Marks({PREDICTION: 0.0}, True), grid.Marks({PREDICTION: 0.0}, False))
        )
        assert (done, again, stopped) == (grid.DONE, grid.RUNNING, grid.INTERRUPTED)

    def test_a_zero_shot_training_runs_for_every_target(self, config, tmp_path):
        marks = grid.Marks({grid.training_files(ZERO_SHOT)[0]: 0.0}, held=True)
        table2, figure2, figure3 = grid.grids(config, grid.read_states(config, tmp_path, marks))
        small = {row: cells[0] for row, cells in zip(table2.rows, table2.cells, strict=True)}
        running, missing = grid.Cell(0, 1, 2), grid.Cell(0, 0, 2)
        assert small == {
            ("URDU", "GERMAN"): running,
            ("URDU", "ENGLISH"): running,
            ("GERMAN", "ENGLISH"): missing,
        }
        assert figure2.cells == [[running], [missing], [missing]]  # 0 shots, then 50 and 100
        assert figure3.cells == [[missing], [missing]]

    def test_epochs(self, tmp_path):
        log = tmp_path / "results" / "logs" / "finetune" / f"{FEW_SHOT}.log"
        marks = grid.Marks({grid.training_files(FEW_SHOT)[0]: 1000.0}, held=True)
        assert grid.epochs_done(FEW_SHOT, tmp_path, marks) is None
        log.parent.mkdir(parents=True)
        log.write_text(
            "06:23:58 epochs:   0%|                                   | 0/12 [00:00<?, ?epoch/s]\n"
            "06:23:59 epochs:  17%|#########   | 2/12 [00:00<00:00,  2.88epoch/s, train_loss=1.32, dev_uar=37.5]\n"
            "06:24:29 epoch 3:  50%|#####      | 3/6 [00:30<00:30,  2.88step/s, loss=1.32]\n"
        )
        assert grid.epochs_done(FEW_SHOT, tmp_path, marks) == (2, 12)
        os.utime(log, (999, 999))  # an earlier attempt's
        assert grid.epochs_done(FEW_SHOT, tmp_path, marks) is None


TEXT = """\
table2: repetitions done/all, +running
source  target   small  large
URDU    GERMAN   1/2    0/2
URDU    ENGLISH  0/2    0/2
GERMAN  ENGLISH  0/2    0/2

figure2: repetitions done/all, +running
source  target  shots  small
URDU    GERMAN  0      1/2
URDU    GERMAN  50     0/2+1
URDU    GERMAN  100    0/2

figure3: repetitions done/all, +running
source  target  condition  large
URDU    GERMAN  clean      0/2
URDU    GERMAN  noisy      0/2

trainings: 1 of 12 done, 1 running, 10 missing
predictions: 1 of 18 done, 0 running, 17 missing

training now:
  small/URDU-to-GERMAN/50-shot/seed2  2 of 5 epochs
"""


class TestShown:
    """As text, and as a figure."""

    def test_text(self, config, tmp_path):
        touch(tmp_path, PREDICTION, *grid.training_files("small/URDU-to-any/0-shot/seed2"))
        marks = grid.Marks({grid.training_files(FEW_SHOT)[0]: 0.0}, held=True)
        states = grid.read_states(config, tmp_path, marks)
        shown = grid.report(grid.grids(config, states), states, {FEW_SHOT: (2, 5)}, marks)
        assert shown.startswith(TEXT)
        assert "If there is none on any machine, it was killed" in shown

    def test_nothing_configured(self, place, capsys):
        nothing = {"experiments": dict.fromkeys(CONFIG["experiments"])}
        (place / "nothing.yaml").write_text(yaml.safe_dump(nothing), encoding="utf-8")
        progress.main(["--directory", str(place), "--configfile", str(place / "nothing.yaml")])
        assert capsys.readouterr().out == "No experiment is configured.\n"
        assert not (place / "results").exists()

    def test_the_figure_follows_the_states_and_nothing_else(self, place):
        png = place / "results" / "progress.png"
        drawn = []
        for outputs in ([], [], [PREDICTION]):
            touch(place, *outputs)
            progress.main(["--directory", str(place)])
            drawn.append(png.read_bytes())
        assert drawn[0] == drawn[1] != drawn[2]

    def test_done_is_darker_than_missing_without_colour(self, config, tmp_path):
        def lightness(done):
            one = grid.Grid("table2", ("source", "target"), [("A", "B")], ["m"], [[grid.Cell(done, 0, 5)]])
            progress.draw([one], "", [], tmp_path / "one.png")
            pixels = matplotlib.image.imread(tmp_path / "one.png")[..., :3] @ [0.2126, 0.7152, 0.0722]
            return float(pixels.mean())

        values = [lightness(done) for done in range(6)]
        assert values == sorted(values, reverse=True)
        assert len(set(values)) == 6

    def test_the_command(self, place):
        command = [sys.executable, str(ROOT / "workflow" / "scripts" / "progress.py"), "--directory", "nowhere"]
        result = subprocess.run(command, cwd=place, capture_output=True, text=True)
        assert result.returncode == 1
        assert result.stderr == "progress: nowhere is no folder: name the one that the run works in, or make it\n"
