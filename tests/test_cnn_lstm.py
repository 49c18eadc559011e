"""CNN-LSTM: masked throughout, trained, interrupted and resumed."""

import os
import subprocess
import sys

import librosa
import numpy as np
import pytest
import torch
from conftest import ROOT
from safetensors.torch import save_file

from ser import inference, training
from ser.batches import Frames, random_batches, sorted_batches
from ser.errors import UserError
from ser.families import cnn_lstm
from ser.log_mel import log_mel
from ser.log_mel_frames import frame_count
from ser.optimizer import Adam
from ser.training import Examples
from ser.vocabulary import EMOTIONS

CPU = torch.device("cpu")
SETTINGS = {"epochs": 4, "batch_size": 16, "learning_rate": 1.0e-3, "precision": "float32"}


def random_frames(count, rng=None):
    rng = rng or np.random.default_rng()
    values = [rng.standard_normal((length, 64)).astype(np.float32) for length in rng.integers(5, 120, count)]
    return [Frames.all_real(torch.from_numpy(utterance)) for utterance in values]


def learnable_examples(count, seed=0):
    """Emotion raises one quarter of the bands."""
    rng = np.random.default_rng(seed)
    emotions = [EMOTIONS[i % 4] for i in range(count)]
    frames = random_frames(count, rng)
    for utterance, emotion in zip(frames, emotions, strict=True):
        band = 16 * EMOTIONS.index(emotion)
        utterance.values[:, band : band + 16] += 0.5
    return Examples(frames, emotions)


def trained_model():
    """Weights and statistics that are not the initial ones, as after training."""
    model = cnn_lstm.build({})
    model.train()
    for _ in range(3):
        batch = torch.randn(4, 200, 64) * 2 + 1
        model(batch, torch.tensor([200, 150, 100, 50]))
    return model.eval()


class TestMasking:
    """An utterance's probabilities do not depend on what it is batched with."""

    def test_batched_equals_alone(self):
        model, frames = trained_model(), random_frames(40)
        alone = inference.probabilities(model, frames, 1, CPU)
        for batch_size in (7, 40):
            together = inference.probabilities(model, frames, batch_size, CPU)
            np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)
        np.testing.assert_allclose(alone.sum(axis=1), 1, atol=1e-9)

    def test_what_lies_in_the_padding_does_not_matter(self):
        model, lengths = trained_model(), torch.tensor([120, 33])
        frames = torch.randn(2, 120, 64)
        filled = frames.clone()
        filled[1, 33:] = 1e3
        torch.testing.assert_close(model(filled, lengths), model(frames, lengths))

    def test_statistics_in_training_are_those_of_real_frames(self):
        model = cnn_lstm.build({}).train()
        frames, lengths = torch.randn(3, 90, 64), torch.tensor([90, 41, 8])
        padded = torch.cat([frames, torch.full((3, 500, 64), 7.0)], dim=1)
        torch.manual_seed(0)
        first = model(frames, lengths)
        statistics = [norm.running_mean.clone() for norm in model.norms]
        for norm in model.norms:
            norm.reset_running_stats()
        second = model(padded, lengths)
        torch.testing.assert_close(second, first, atol=1e-5, rtol=1e-5)
        for norm, before in zip(model.norms, statistics, strict=True):
            torch.testing.assert_close(norm.running_mean, before, atol=1e-6, rtol=1e-5)

    def test_architecture_is_the_papers(self):
        model = cnn_lstm.build({})
        kernels = [convolution.kernel_size[0] for convolution in model.convolutions]
        assert kernels == sorted(kernels, reverse=True)
        assert kernels[0] > kernels[-1]
        assert (model.lstm.hidden_size, model.lstm.bidirectional, model.dense.out_features) == (128, True, 128)


class TestFrontEnd:
    """Log-mels are librosa's, standardised per utterance."""

    @pytest.mark.parametrize("samples", [400, 16_000, 16_159, 16_160, 47_123])
    def test_equals_librosa(self, samples):
        wave = np.random.default_rng().uniform(-0.5, 0.5, samples).astype(np.float32)
        frames = log_mel(wave)
        assert frames.shape == (frame_count(samples), 64)
        spectrogram = np.abs(librosa.stft(wave, n_fft=512, win_length=400, hop_length=160)) ** 2
        decibels = librosa.power_to_db(librosa.filters.mel(sr=16_000, n_fft=512, n_mels=64) @ spectrogram).T
        expected = (decibels - decibels.mean(axis=0)) / (decibels.std(axis=0) + 1e-5)
        np.testing.assert_allclose(frames, expected, atol=1e-4)
        if len(frames) > 10:
            np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-4)

    def test_frames_are_cut_where_utterances_end(self, tmp_path):
        samples = [1_600, 480, 16_000]
        parts = [np.full((frame_count(count), 64), i, np.float32) for i, count in enumerate(samples)]
        np.save(tmp_path / "log_mel.npy", np.concatenate(parts))
        rows = [{"utterance": str(i), "samples": str(count)} for i, count in enumerate(samples)]
        wanted = {"0", "2"}
        frames = cnn_lstm.build({}).read_frames(tmp_path / "log_mel.npy", rows, wanted, CPU)
        assert len(frames) == 2
        for part, read in zip((parts[0], parts[2]), frames, strict=True):
            np.testing.assert_array_equal(read.values, part)
            assert read.real == len(part)


class TestBatches:
    """Every utterance once, batches of the size asked, little padding, another order in each epoch."""

    def test_all_once_and_similar_lengths(self):
        rng = np.random.default_rng()
        lengths = rng.integers(10, 1000, 1003)
        batches = random_batches(lengths, 16, rng)
        assert sorted(np.concatenate(batches)) == list(range(1003))
        assert sorted(map(len, batches))[1:] == [16] * 62
        padded = sum(len(batch) * lengths[batch].max() for batch in batches)
        assert padded / lengths.sum() < 1.15

    def test_seed_decides(self):
        lengths = np.arange(200)
        orders = [np.concatenate(random_batches(lengths, 16, np.random.default_rng(seed))) for seed in (1, 1, 2)]
        assert (orders[0] == orders[1]).all()
        assert (orders[0] != orders[2]).any()

    def test_sorted_batches_cover_all(self):
        assert sorted(np.concatenate(list(sorted_batches([5, 1, 9, 9, 2], 2)))) == [0, 1, 2, 3, 4]


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
    model = training.initialise(cnn_lstm.build, {}, None, seed)
    return training.fine_tune(
        model,
        train or learnable_examples(64),
        learnable_examples(32, seed=1),
        settings=settings,
        seed=seed,
        device=CPU,
        state_path=tmp_path / "resume.safetensors",
        fingerprint=fingerprint,
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
        evaluate, calls = training.evaluate, []

        def killed_in_a_later_epoch(*arguments):
            calls.append(1)
            if len(calls) > epochs_before:
                raise KeyboardInterrupt
            return evaluate(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(training, "evaluate", killed_in_a_later_epoch)
            with pytest.raises(KeyboardInterrupt):
                run(tmp_path / "cut")
        calls.clear()
        with monkeypatch.context() as patched:
            patched.setattr(training, "evaluate", lambda *arguments: calls.append(1) or evaluate(*arguments))
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
                chosen = len(history) if training.is_best(history) else chosen
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
            training.load_trained_state(cnn_lstm.build({}), tmp_path / "weights.safetensors")

    def test_bfloat16_trains_and_predicts(self, tmp_path):
        progress = run(tmp_path, SETTINGS | {"precision": "bfloat16"})
        assert progress.history[-1]["train_loss"] < progress.history[0]["train_loss"]

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
    def test_cuda_agrees_with_cpu(self):
        model, frames = trained_model(), random_frames(20)
        cpu = inference.probabilities(model, frames, 8, CPU)
        gpu = inference.probabilities(model.cuda(), frames, 8, torch.device("cuda"))
        np.testing.assert_allclose(gpu, cpu, atol=1e-3)
