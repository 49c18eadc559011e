"""CNN-LSTM: masking, log-mel features and batches."""

import librosa
import numpy as np
import pytest
import torch
from conftest import probabilities, random_frames

from ser.models import cnn_lstm
from ser.models.batching import random_batches, sorted_batches
from ser.models.frame_storage import Storage
from ser.models.log_mel import frame_count, log_mel

CPU = torch.device("cpu")


def model_with_statistics():
    """Return a model with non-initial batch-norm statistics."""
    model = cnn_lstm.build({})
    model.train()
    for _ in range(3):
        batch = torch.randn(4, 200, 64) * 2 + 1
        model(batch, torch.tensor([200, 150, 100, 50]))
    return model.eval()


class TestMasking:
    """Independence of an utterance's probabilities from its batch."""

    def test_batched_equals_alone(self):
        model, frames = model_with_statistics(), random_frames(40)
        alone = probabilities(model, frames, 1)
        for batch_size in (7, 40):
            together = probabilities(model, frames, batch_size)
            np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)
        np.testing.assert_allclose(alone.sum(axis=1), 1, atol=1e-9)

    def test_padding_values_do_not_matter(self):
        model, lengths = model_with_statistics(), torch.tensor([120, 33])
        frames = torch.randn(2, 120, 64)
        filled = frames.clone()
        filled[1, 33:] = 1e3
        torch.testing.assert_close(model(filled, lengths), model(frames, lengths))

    def test_training_statistics_exclude_padding(self):
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

    def test_batch_of_one_very_short_utterance(self):
        """After pooling a single frame is left, whose variance is unknown."""
        model = cnn_lstm.build({}).train()
        model(torch.randn(1, 8, 64), torch.tensor([8]))
        assert all(buffer.isfinite().all() for buffer in model.buffers())

    def test_architecture_matches_the_paper(self):
        model = cnn_lstm.build({})
        kernels = [convolution.kernel_size[0] for convolution in model.convolutions]
        assert kernels == sorted(kernels, reverse=True)
        assert kernels[0] > kernels[-1]
        assert (model.lstm.hidden_size, model.lstm.bidirectional, model.head[0].out_features) == (128, True, 128)


class TestFrontend:
    """Log-mel features as in librosa, standardised per utterance."""

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

    def test_frames_are_split_by_utterance(self, tmp_path):
        samples = [1_600, 480, 16_000]
        parts = [np.full((frame_count(count), 64), i, np.float32) for i, count in enumerate(samples)]
        np.save(tmp_path / "log_mel.npy", np.concatenate(parts))
        rows = [{"utterance": str(i), "samples": str(count)} for i, count in enumerate(samples)]
        wanted = {"0", "2"}
        frames = cnn_lstm.build({}).read_frames(tmp_path / "log_mel.npy", rows, wanted, Storage(CPU, 1e9, tmp_path))
        assert len(frames) == 2
        for part, read in zip((parts[0], parts[2]), frames, strict=True):
            np.testing.assert_array_equal(read.values, part)
            assert read.real == len(part)


class TestBatches:
    """Batches of utterances of similar lengths in random order."""

    def test_every_utterance_once_and_little_padding(self):
        rng = np.random.default_rng()
        lengths = rng.integers(10, 1000, 1003)
        batches = random_batches(lengths, 16, rng)
        assert sorted(np.concatenate(batches)) == list(range(1003))
        assert sorted(map(len, batches))[1:] == [16] * 62
        padded = sum(len(batch) * lengths[batch].max() for batch in batches)
        assert padded / lengths.sum() < 1.15

    def test_seed_determines_the_order(self):
        lengths = np.arange(200)
        orders = [np.concatenate(random_batches(lengths, 16, np.random.default_rng(seed))) for seed in (1, 1, 2)]
        assert (orders[0] == orders[1]).all()
        assert (orders[0] != orders[2]).any()

    def test_small_corpus_has_different_batches_in_every_epoch(self):
        lengths = np.arange(160)
        epochs = [random_batches(lengths, 16, np.random.default_rng(seed)) for seed in range(2)]
        first, second = ({frozenset(map(int, batch)) for batch in batches} for batches in epochs)
        assert not first & second

    def test_sorted_batches_contain_every_utterance(self):
        assert sorted(np.concatenate(list(sorted_batches([5, 1, 9, 9, 2], 2)))) == [0, 1, 2, 3, 4]
