"""Training: reproducible, also after interruptions and with limited memory."""

import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import probabilities, random_frames
from safetensors.torch import save_file
from workflow_tools import small_disk

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.models import cnn_lstm, trainable_state
from ser.models.batching import Frames, rounded_length
from ser.models.emotion_classifier import EmotionClassifier
from ser.models.frame_storage import Storage
from ser.models.oom import retry_on_oom
from ser.training import loop, numerics, run_record
from ser.training.data import Examples

CPU = torch.device("cpu")
SETTINGS = {"epochs": 4, "patience": None, "batch_size": 16, "learning_rate": 1.0e-3, "precision": "float32"}


def learnable_examples(count, seed=0):
    """Return examples in which each emotion raises its own quarter of the bands."""
    rng = np.random.default_rng(seed)
    emotions = [EMOTIONS[i % 4] for i in range(count)]
    frames = random_frames(count, rng)
    for utterance, emotion in zip(frames, emotions, strict=True):
        band = 16 * EMOTIONS.index(emotion)
        utterance.values[:, band : band + 16] += 0.5
    return Examples(frames, emotions, [own.real for own in frames])


def run(tmp_path, settings=SETTINGS, seed=1, fingerprint="same", train=None):
    model = loop.initialise({"family": "cnn-lstm"}, None, seed)
    return loop.fine_tune(
        model,
        train or learnable_examples(32),
        learnable_examples(16, seed=1),
        settings=settings,
        seed=seed,
        device=CPU,
        state_path=tmp_path / "resume.safetensors",
        fingerprint=fingerprint,
        started=time.perf_counter(),
    )


def interrupt_in_epoch(monkeypatch, epoch):
    """Interrupt training in an epoch, before it is evaluated."""
    epochs = iter(range(1, epoch))

    def evaluate(*arguments, original=loop.evaluate):
        if next(epochs, None) is None:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(loop, "evaluate", evaluate)


def assert_same(first, second):
    assert first.history == second.history
    assert first.best_epoch == second.best_epoch
    for name, tensor in first.best_weights.items():
        assert torch.equal(tensor, second.best_weights[name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return an uninterrupted run."""
    return run(tmp_path_factory.mktemp("whole"))


class TestTraining:
    """Training loop: learning, the best epoch, and resuming."""

    def test_loss_decreases_and_uar_increases(self, tmp_path, caplog):
        caplog.set_level("INFO")
        progress = run(tmp_path, SETTINGS | {"epochs": 8}, train=learnable_examples(64))
        assert re.search(r"epoch 8 of 8: train_loss [\d.]+, dev_loss [\d.]+, dev_uar [\d.]+", caplog.text)
        assert progress.history[-1]["train_loss"] < progress.history[0]["train_loss"] / 2
        assert progress.history[progress.best_epoch - 1]["dev_uar"] > 60

    def test_same_seed_gives_the_same_weights(self, tmp_path, whole):
        assert_same(run(tmp_path / "same"), whole)
        assert run(tmp_path / "other", seed=2).history != whole.history

    @pytest.mark.parametrize("epochs_before", [1, 3])
    def test_interrupted_equals_uninterrupted(self, tmp_path, monkeypatch, whole, epochs_before):
        interrupt_in_epoch(monkeypatch, epochs_before + 1)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "cut")
        monkeypatch.undo()
        evaluations = []
        monkeypatch.setattr(loop, "evaluate", lambda *a, original=loop.evaluate: evaluations.append(1) or original(*a))
        assert_same(run(tmp_path / "cut"), whole)
        assert len(evaluations) == SETTINGS["epochs"] - epochs_before

    def test_seconds_add_up_over_interruptions(self, tmp_path, monkeypatch):
        clock = iter(range(0, 10_000, 100))
        interrupt_in_epoch(monkeypatch, 3)
        monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
        monkeypatch.undo()
        monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
        assert run(tmp_path).seconds == 2 * 100 + 2 * 100  # two epochs before and two after, each of 100 "seconds"

    def test_state_of_another_fingerprint_is_ignored(self, tmp_path, whole):
        run(tmp_path, fingerprint="old", settings=SETTINGS | {"learning_rate": 1e-2})
        assert (tmp_path / "resume.safetensors").exists()
        assert_same(run(tmp_path, fingerprint="new"), whole)

    def test_damaged_state_is_named(self, tmp_path):
        (tmp_path / "resume.safetensors").write_bytes(b"half a file")
        with pytest.raises(UserError, match=r"resume\.safetensors is damaged .* Delete it"):
            run(tmp_path)

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

    def test_patience_ends_training_and_resuming_does_not_extend_it(self, tmp_path, monkeypatch):
        settings = SETTINGS | {"epochs": 9, "patience": 2}
        losses = iter([0.9, 0.7, 0.8, 0.7, 0.1])
        monkeypatch.setattr(loop, "evaluate", lambda *arguments: {"dev_loss": next(losses), "dev_uar": 50.0})
        progress = run(tmp_path, settings)
        assert [row["dev_loss"] for row in progress.history] == [0.9, 0.7, 0.8, 0.7]  # an equal loss is no improvement
        assert progress.best_epoch == 2
        assert run(tmp_path, settings).history == progress.history  # from the state saved in the last epoch
        assert next(losses) == 0.1

    @pytest.mark.parametrize(("patience", "expected"), [(None, False), (1, True), (2, True), (3, False), (4, False)])
    def test_convergence(self, patience, expected):
        history = [{"dev_loss": loss} for loss in (0.5, 0.3, 0.4, 0.35)]
        assert loop.has_converged(history, patience) == expected

    def test_missing_class_is_rejected(self, tmp_path):
        examples = learnable_examples(16)
        few = [i for i, emotion in enumerate(examples.emotions) if emotion not in ("sad", "happy")]
        train = Examples(
            *([values[i] for i in few] for values in (examples.frames, examples.emotions, examples.samples))
        )
        with pytest.raises(UserError, match="no happy and no sad"):
            run(tmp_path, train=train)

    def test_divergence_is_reported(self, tmp_path):
        with pytest.raises(UserError, match=r"loss is NaN or infinite in epoch \d.*Lower"):
            run(tmp_path, SETTINGS | {"learning_rate": 1e30})

    def test_weights_of_another_model_are_rejected(self, tmp_path):
        save_file({"output.weight": torch.zeros(2, 2)}, tmp_path / "weights.safetensors")
        with pytest.raises(UserError, match="another model"):
            trainable_state.load_trained_state(cnn_lstm.build({}), tmp_path / "weights.safetensors")

    def test_bfloat16_trains_and_predicts(self, tmp_path):
        progress = run(tmp_path, SETTINGS | {"precision": "bfloat16"})
        assert progress.history[-1]["train_loss"] < progress.history[0]["train_loss"]


ON_GPU = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
BY_LIBRARY = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


class SmallMemory(EmotionClassifier):
    """Model that runs out of memory with more than `capacity` utterances at a time."""

    def __init__(self, capacity, error):
        super().__init__()
        self.hidden = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU())
        self.head = torch.nn.Linear(32, 4)
        self.capacity, self.error, self.failures = capacity, error, 0

    def embed(self, frames, lengths):
        embedded = self.hidden(frames.sum(dim=1) / lengths.unsqueeze(1))
        if len(frames) > self.capacity:
            self.failures += 1
            raise self.error
        return embedded


def train_in(tmp_path, capacity, error=ON_GPU, **settings):
    torch.manual_seed(7)
    model = SmallMemory(capacity, error)
    progress = loop.fine_tune(
        model,
        learnable_examples(70),
        learnable_examples(20, seed=1),
        settings=SETTINGS | settings,
        seed=1,
        device=CPU,
        state_path=tmp_path / f"{capacity}.safetensors",
        fingerprint="",
        started=time.perf_counter(),
    )
    return model, progress


class TestMemory:
    """Limited memory: micro-batches and frames in a file give the same results."""

    @pytest.mark.parametrize("error", [ON_GPU, BY_LIBRARY], ids=["PyTorch", "cuBLAS"])
    @pytest.mark.parametrize("capacity", [1, 3, 8, 15])
    def test_micro_batches_give_the_same_updates(self, tmp_path, capacity, error, caplog, monkeypatch):
        """Compare up to float32 rounding, since sums are in another order."""
        monkeypatch.setattr(loop, "CPU_MICRO_BATCH", SETTINGS["batch_size"])  # as on a GPU
        _, whole = train_in(tmp_path, 16)
        model, progress = train_in(tmp_path, capacity, error)
        assert progress.splits == {1: 16, 3: 8, 8: 2, 15: 2}[capacity]
        epochs = SETTINGS["epochs"]
        # failures in the first step and in evaluations, not in later steps
        assert model.failures == (1 + epochs) * (progress.splits.bit_length() - 1)
        for name, tensor in whole.best_weights.items():
            torch.testing.assert_close(progress.best_weights[name], tensor, atol=1e-5, rtol=1e-4)
        assert [row["dev_uar"] for row in progress.history] == [row["dev_uar"] for row in whole.history]
        assert "out of memory with a batch of 16 utterances in 1 micro-batches" in caplog.text

    def test_on_a_cpu_batches_are_split_into_micro_batches_of_four(self, tmp_path):
        model, progress = train_in(tmp_path, 4)
        assert progress.splits == 4
        assert model.failures == 2 * len(progress.history)  # of evaluations alone: 16, then 8 utterances
        vectors = learnable_examples(16)
        vectors = Examples(
            [Frames.all_real(own.values[:1]) for own in vectors.frames], vectors.emotions, vectors.samples
        )
        assert loop.Updates(SmallMemory(16, ON_GPU), vectors, SETTINGS, CPU).splits == 1  # nothing to pad

    def test_retried_step_repeats_its_dropout(self):
        """The failed attempt must not change the random state or the gradients."""
        examples, found = learnable_examples(16), []
        for failures in (0, 1):
            model = cnn_lstm_with_dropout()
            updates = loop.Updates(model, examples, SETTINGS, CPU)
            attempts = []

            def once(parts, add=updates._set_gradients, attempts=attempts, failures=failures):
                loss = add(parts, seed=5)
                attempts.append(parts)
                if len(attempts) <= failures:
                    raise torch.OutOfMemoryError("CUDA out of memory.")
                return loss

            retry_on_oom(lambda parts, once=once: once([np.concatenate(parts)]), examples.frames, np.arange(16))
            assert len(attempts) == failures + 1
            found.append([parameter.grad for parameter in model.parameters()])
        for first, second in zip(*found, strict=True):
            assert torch.equal(first, second)

    def test_too_little_memory_for_one_utterance_is_reported(self, tmp_path):
        with pytest.raises(UserError, match=r"memory does not suffice for an utterance \(.*memory.*fewer jobs run"):
            train_in(tmp_path, 0)

    def test_longest_utterance_is_named(self):
        frames = [Frames(torch.zeros(length, 1), length, f"utterance {length}") for length in (3, 9, 5)]

        def attempt(_):
            raise ON_GPU

        with pytest.raises(UserError, match="memory does not suffice for utterance 9 "):
            retry_on_oom(attempt, frames, np.arange(3))

    def test_other_errors_are_raised(self):
        def attempt(_):
            raise RuntimeError("shapes cannot be multiplied")

        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            retry_on_oom(attempt, [], np.arange(3))

    def test_batches_with_batch_norm_are_not_split(self, monkeypatch):
        """Micro-batches would change the statistics of CNN-LSTM's batch norm."""
        model = cnn_lstm.build({}).train()
        updates = loop.Updates(model, learnable_examples(16), SETTINGS, CPU)

        def out_of_memory(*_):
            raise torch.OutOfMemoryError("CUDA out of memory.")

        monkeypatch.setattr(model, "forward", out_of_memory)
        with pytest.raises(UserError, match=r"lower the model's `training\.batch_size`"):
            updates.make(np.arange(16), seed=1)

    def test_prediction_in_micro_batches(self):
        torch.manual_seed(1)
        model, frames = SmallMemory(100, ON_GPU), random_frames(40)
        expected = probabilities(model, frames, 16)
        model.capacity = 3
        np.testing.assert_allclose(probabilities(model, frames, 16), expected, atol=1e-6)

    def test_frames_that_exceed_memory_are_in_a_file(self, tmp_path, caplog):
        """The file is unlinked: the folder stays empty even while it is used."""
        caplog.set_level("INFO")
        storage = Storage(CPU, 2 * 64 * 4 * 100, tmp_path)
        tensors = [storage.allocate(60, 64) for _ in range(3)]
        assert [in_file(tensor) for tensor in tensors] == [False, True, True]
        assert "`resources.mem_mb`: they are stored in a file in" in caplog.text
        assert not list(tmp_path.iterdir())
        values = torch.randn(60, 64)
        for tensor in tensors:
            assert torch.equal(tensor.copy_(values), values)

    def test_training_from_a_file_gives_the_same_weights(self, tmp_path, whole):
        examples = learnable_examples(32)
        mapped = []
        storage = Storage(CPU, 0, tmp_path)
        for own in examples.frames:
            mapped.append(Frames(storage.allocate(*own.values.shape).copy_(own.values), own.real))
        assert in_file(mapped[0].values)
        assert_same(run(tmp_path, train=replace(examples, frames=mapped)), whole)

    def test_full_disk_is_reported_at_once(self, tmp_path):
        with small_disk(tmp_path / "small"), pytest.raises(OSError, match="No space left"):
            Storage(CPU, 0, tmp_path / "small").allocate(10_000, 64)


def cnn_lstm_with_dropout():
    torch.manual_seed(7)
    model = SmallMemory(100, ON_GPU)
    model.hidden.insert(1, torch.nn.Dropout(0.5))
    return model.train()


def in_file(tensor) -> bool:
    """Return whether a tensor lies in a mapped file that has been deleted."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    for line in maps:
        first, last = (int(address, 16) for address in line.split()[0].split("-"))
        if first <= tensor.data_ptr() < last:
            return line.endswith("(deleted)")
    raise AssertionError("the tensor is not in a memory mapping")


def test_precision_by_device():
    cpu, gpu = CPU, torch.device("cuda")
    assert not numerics.uses_bfloat16(cpu, "auto")
    assert numerics.uses_bfloat16(gpu, "auto")
    assert numerics.uses_bfloat16(cpu, "bfloat16")
    assert not numerics.uses_bfloat16(gpu, "float32")


def test_deterministic_algorithms(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    try:
        numerics.make_deterministic()
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_fingerprint_covers_settings_and_inputs(tmp_path):
    path = tmp_path / "source.csv"
    path.write_text("a\nb\n")
    before = run_record.fingerprint({"rate": 1}, [path])
    assert run_record.fingerprint({"rate": 1}, [path]) == before
    assert run_record.fingerprint({"rate": 2}, [path]) != before
    path.write_text("b\na\n")
    assert run_record.fingerprint({"rate": 1}, [path]) != before


def test_rounded_lengths_are_few_and_little_longer():
    lengths = np.arange(1, 3001)
    rounded = np.array([rounded_length(int(length), longest=3000) for length in lengths])
    assert (rounded >= lengths).all()
    assert (rounded - lengths < np.maximum(8, lengths / 8)).all()
    assert (np.diff(rounded) >= 0).all()
    assert rounded.max() == 3000
    assert len(set(rounded)) == 52
