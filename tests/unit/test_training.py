"""Training: to the bit the same, interrupted or not, whatever memory there is."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, random_frames
from safetensors.torch import save_file
from workflow_tools import small_disk

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.models import cnn_lstm, trainable_state
from ser.models.batching import Frames
from ser.models.feature_store import Storage
from ser.models.oom import retry_on_oom
from ser.training import inference, loop, progress
from ser.training.loop import Examples
from ser.training.optimizer import Adam

CPU = torch.device("cpu")
SETTINGS = {"epochs": 4, "batch_size": 16, "learning_rate": 1.0e-3, "precision": "float32"}


def learnable_examples(count, seed=0):
    """Emotion raises one quarter of the bands."""
    rng = np.random.default_rng(seed)
    emotions = [EMOTIONS[i % 4] for i in range(count)]
    frames = random_frames(count, rng)
    for utterance, emotion in zip(frames, emotions, strict=True):
        band = 16 * EMOTIONS.index(emotion)
        utterance.values[:, band : band + 16] += 0.5
    return Examples(frames, emotions)


class TestOptimizer:
    """Adam is PyTorch's, to the last bit."""

    def test_equals_torch_optim(self):
        ours, theirs = torch.nn.Linear(7, 3), torch.nn.Linear(7, 3)
        theirs.load_state_dict(ours.state_dict())
        optimizers = Adam(dict(ours.named_parameters()), 1e-2), torch.optim.Adam(theirs.parameters(), lr=1e-2)
        for _ in range(20):
            inputs = torch.randn(5, 7)
            for model, optimizer in zip((ours, theirs), optimizers, strict=True):
                model.zero_grad()
                model(inputs).square().sum().backward()
                optimizer.step()
            for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
                assert torch.equal(mine, other)

    def test_training_does_not_import_the_compiler(self):
        code = (
            "import sys, torch; from ser.optimizer import Adam; p = torch.nn.Parameter(torch.ones(2));"
            "o = Adam({'p': p}, 0.1); p.sum().backward(); o.step(); sys.exit('torch._dynamo' in sys.modules)"
        )
        environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
        assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


def run(tmp_path, settings=SETTINGS, seed=1, fingerprint="same", train=None):
    model = loop.initialise(cnn_lstm.build, {}, None, seed)
    return loop.fine_tune(
        model,
        train or learnable_examples(64),
        learnable_examples(32, seed=1),
        settings=settings,
        seed=seed,
        device=CPU,
        state_path=tmp_path / "resume.safetensors",
        fingerprint=fingerprint,
        started=time.perf_counter(),
    )


def assert_same(first, second):
    assert first.history == second.history
    assert first.best_epoch == second.best_epoch
    for name, tensor in first.best_weights.items():
        assert torch.equal(tensor, second.best_weights[name]), name


class TestTraining:
    """It learns, keeps the best epoch, and survives interruptions without a trace."""

    def test_learns(self, tmp_path):
        progress = run(tmp_path, SETTINGS | {"epochs": 8})
        assert progress.history[-1]["train_loss"] < progress.history[0]["train_loss"] / 2
        assert progress.history[progress.best_epoch - 1]["dev_uar"] > 60

    def test_same_seed_same_weights(self, tmp_path):
        assert_same(run(tmp_path / "a"), run(tmp_path / "b"))
        other = run(tmp_path / "c", seed=2)
        assert other.history != run(tmp_path / "d").history

    @pytest.mark.parametrize("epochs_before", [1, 3])
    def test_interrupted_equals_uninterrupted(self, tmp_path, monkeypatch, epochs_before):
        whole = run(tmp_path / "whole")
        evaluate, calls = loop.evaluate, []

        def killed_in_a_later_epoch(*arguments):
            calls.append(1)
            if len(calls) > epochs_before:
                raise KeyboardInterrupt
            return evaluate(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(loop, "evaluate", killed_in_a_later_epoch)
            with pytest.raises(KeyboardInterrupt):
                run(tmp_path / "cut")
        calls.clear()
        with monkeypatch.context() as patched:
            patched.setattr(loop, "evaluate", lambda *arguments: calls.append(1) or evaluate(*arguments))
            assert_same(run(tmp_path / "cut"), whole)
        assert len(calls) == SETTINGS["epochs"] - epochs_before

    def test_state_of_another_fingerprint_is_ignored(self, tmp_path):
        run(tmp_path, fingerprint="old", settings=SETTINGS | {"learning_rate": 1e-2})
        assert (tmp_path / "resume.safetensors").exists()
        assert_same(run(tmp_path, fingerprint="new"), run(tmp_path / "fresh"))

    def test_damaged_state_is_ignored(self, tmp_path):
        run(tmp_path)
        state = tmp_path / "resume.safetensors"
        state.write_bytes(state.read_bytes()[:100])
        assert_same(run(tmp_path), run(tmp_path / "fresh"))

    def test_best_epoch_rule(self):
        def best(*pairs):
            history, chosen = [], 0
            for uar, loss in pairs:
                history.append({"dev_uar": uar, "dev_loss": loss})
                chosen = len(history) if loop.is_best(history) else chosen
            return chosen

        assert best((50, 1.0), (60, 2.0), (55, 0.1)) == 2  # UAR first
        assert best((50, 1.0), (50, 0.9), (50, 0.95)) == 2  # then loss
        assert best((50, 1.0), (50, 1.0)) == 1  # then the earlier

    def test_missing_class_is_refused(self, tmp_path):
        examples = learnable_examples(16)
        few = [i for i, emotion in enumerate(examples.emotions) if emotion not in ("sad", "happy")]
        train = Examples([examples.frames[i] for i in few], [examples.emotions[i] for i in few])
        with pytest.raises(UserError, match="no happy and no sad"):
            run(tmp_path, train=train)

    def test_divergence_is_refused(self, tmp_path):
        with pytest.raises(UserError, match=r"loss is not finite in epoch \d.*Lower"):
            run(tmp_path, SETTINGS | {"learning_rate": 1e30})

    def test_weights_of_another_model_are_refused(self, tmp_path):
        save_file({"output.weight": torch.zeros(2, 2)}, tmp_path / "weights.safetensors")
        with pytest.raises(UserError, match="another model"):
            trainable_state.load_trained_state(cnn_lstm.build({}), tmp_path / "weights.safetensors")

    def test_bfloat16_trains_and_predicts(self, tmp_path):
        progress = run(tmp_path, SETTINGS | {"precision": "bfloat16"})
        assert progress.history[-1]["train_loss"] < progress.history[0]["train_loss"]


class SmallGPU(torch.nn.Module):
    """A model whose device has room for some utterances at a time, as far as errors tell."""

    def __init__(self, room):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
        self.room, self.refused = room, 0

    def forward(self, frames, lengths):
        pooled = frames.sum(dim=1) / lengths.unsqueeze(1)
        logits = self.layers(pooled)
        if len(frames) > self.room:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
        return logits


def train_in(tmp_path, room, **settings):
    torch.manual_seed(7)
    model = SmallGPU(room)
    progress = loop.fine_tune(
        model,
        learnable_examples(70),
        learnable_examples(20, seed=1),
        settings=SETTINGS | settings,
        seed=1,
        device=CPU,
        state_path=tmp_path / f"{room}.safetensors",
        fingerprint="",
        started=time.perf_counter(),
    )
    return model, progress


class TestMemory:
    """What does not fit is cut into parts, and means the same."""

    @pytest.mark.parametrize("room", [1, 3, 8, 15])
    def test_parts_make_the_same_updates(self, tmp_path, room, caplog):
        """To float32's rounding, since a sum of parts is rounded in another order."""
        _, whole = train_in(tmp_path, 16)
        model, parts = train_in(tmp_path, room)
        assert parts.parts == {1: 16, 3: 8, 8: 2, 15: 2}[room]
        epochs = SETTINGS["epochs"]
        assert model.refused == (1 + epochs) * (
            parts.parts.bit_length() - 1
        )  # at first and in evaluations; not in steps
        for name, tensor in whole.best_weights.items():
            torch.testing.assert_close(parts.best_weights[name], tensor, atol=1e-5, rtol=1e-4)
        assert [row["dev_uar"] for row in parts.history] == [row["dev_uar"] for row in whole.history]
        assert "out of GPU memory with a batch of 16 utterances in 1 parts" in caplog.text

    def test_dropout_of_a_retried_step_is_drawn_anew_from_its_seed(self):
        """The refused attempt has drawn numbers and left gradients; neither shows in the update."""
        examples, found = learnable_examples(16), []
        for refused in (0, 1):
            model = cnn_lstm_with_dropout()
            updates = loop.Updates(model, examples, SETTINGS, CPU)
            attempts = []

            def once(parts, add=updates._add_gradients, attempts=attempts, refused=refused):
                loss = add(parts, seed=5)
                attempts.append(parts)
                if len(attempts) <= refused:
                    raise torch.OutOfMemoryError("CUDA out of memory.")
                return loss

            retry_on_oom(lambda parts, once=once: once([np.concatenate(parts)]), np.arange(16))
            assert len(attempts) == refused + 1
            found.append([parameter.grad for parameter in model.parameters()])
        for first, second in zip(*found, strict=True):
            assert torch.equal(first, second)

    def test_not_even_one_utterance(self, tmp_path):
        with pytest.raises(UserError, match=r"GPU's memory does not suffice \(CUDA out of memory.*fewer jobs share it"):
            train_in(tmp_path, 0)

    def test_batch_statistics_are_not_cut(self, monkeypatch):
        """CNN-LSTM's batch norm would see other statistics."""
        model = cnn_lstm.build({}).train()
        updates = loop.Updates(model, learnable_examples(16), SETTINGS, CPU)

        def out_of_memory(*_):
            raise torch.OutOfMemoryError("CUDA out of memory.")

        monkeypatch.setattr(model, "forward", out_of_memory)
        with pytest.raises(UserError, match="lower the model's `batch_size`"):
            updates.make(np.arange(16), seed=1)

    def test_prediction_in_parts(self):
        torch.manual_seed(1)
        model, frames = SmallGPU(100), random_frames(40)
        expected = inference.probabilities(model, frames, 16, CPU)
        model.room = 3
        np.testing.assert_allclose(inference.probabilities(model, frames, 16, CPU), expected, atol=1e-6)

    def test_frames_that_do_not_fit_are_in_a_file(self, tmp_path, caplog):
        """A nameless one: nothing is to be found in the folder, even while it is used."""
        caplog.set_level("INFO")
        storage = Storage(CPU, 2 * 64 * 4 * 100, tmp_path)
        rooms = [storage.room(60, 64) for _ in range(3)]
        assert [in_file(room) for room in rooms] == [False, True, True]
        assert "do not fit into memory: they are kept in a file in" in caplog.text
        assert not list(tmp_path.iterdir())
        values = torch.randn(60, 64)
        for room in rooms:
            assert torch.equal(room.copy_(values), values)

    def test_training_from_a_file_is_the_same(self, tmp_path):
        examples = learnable_examples(64)
        mapped = []
        storage = Storage(CPU, 0, tmp_path)
        for own in examples.frames:
            mapped.append(Frames(storage.room(*own.values.shape).copy_(own.values), own.real))
        assert in_file(mapped[0].values)
        assert_same(run(tmp_path / "a", train=Examples(mapped, examples.emotions)), run(tmp_path / "b"))

    def test_a_full_disk_is_seen_at_once(self, tmp_path):
        with small_disk(tmp_path / "small"), pytest.raises(OSError, match="No space left"):
            Storage(CPU, 0, tmp_path / "small").room(10_000, 64)


def cnn_lstm_with_dropout():
    torch.manual_seed(7)
    model = SmallGPU(100)
    model.layers.insert(1, torch.nn.Dropout(0.5))
    return model.train()


def in_file(tensor) -> bool:
    """Whether a tensor lies in a mapped file that has been deleted."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    for line in maps:
        first, last = (int(address, 16) for address in line.split()[0].split("-"))
        if first <= tensor.data_ptr() < last:
            return line.endswith("(deleted)")
    raise AssertionError("the tensor is in no mapping")


class TestProgress:
    """What a log shows while a training goes on."""

    def test_a_line_for_every_epoch(self, tmp_path, caplog):
        caplog.set_level("INFO")
        run(tmp_path)
        lines = [line for line in caplog.messages if line.startswith("epochs:")]
        assert [line.split("|")[-1].split()[0] for line in lines] == ["0/4", "1/4", "2/4", "3/4", "4/4"]
        assert all("train_loss=" in line and "dev_loss=" in line and "dev_uar=" in line for line in lines[1:])

    def test_lines_for_steps_of_a_long_epoch(self, tmp_path, caplog, monkeypatch):
        caplog.set_level("INFO")
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
        run(tmp_path, SETTINGS | {"epochs": 1})
        lines = [line for line in caplog.messages if line.startswith("epoch 1:")]
        assert [line.split("|")[-1].split()[0] for line in lines] == ["0/4", "1/4", "2/4", "3/4", "4/4"]
        assert all("loss=" in line for line in lines[1:])

    def test_lines_are_few(self, tmp_path, caplog):
        caplog.set_level("INFO")
        run(tmp_path)
        assert not [line for line in caplog.messages if line.startswith("epoch 1:")]

    def test_seconds_add_up_over_interruptions(self, tmp_path, monkeypatch):
        evaluate, calls = loop.evaluate, []

        def killed(*arguments):
            calls.append(1)
            if len(calls) > 2:
                raise KeyboardInterrupt
            return evaluate(*arguments)

        clock = iter(range(0, 10_000, 100))
        monkeypatch.setattr(loop.time, "perf_counter", lambda: next(clock))
        monkeypatch.setattr(loop, "evaluate", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
        monkeypatch.setattr(loop, "evaluate", evaluate)
        assert run(tmp_path).seconds == 2 * 100 + 2 * 100  # two epochs before, two after, 100 "seconds" each


class TestDeterminism:
    """The option that makes CUDA deterministic."""

    def test_it_is_on_when_asked(self):
        code = (
            "import torch, os; from ser import precision; precision.make_deterministic();"
            "assert torch.are_deterministic_algorithms_enabled();"
            "assert os.environ['CUBLAS_WORKSPACE_CONFIG'] == ':4096:8'"
        )
        environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
        assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0
