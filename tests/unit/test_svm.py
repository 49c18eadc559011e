"""Linear SVM on functionals: features, training, and the choice of C."""

import numpy as np
import opensmile
import pytest
import torch
from conftest import probabilities
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.corpora.audio import SHORTEST
from ser.models import functionals, svm
from ser.models.batching import Frames
from ser.models.trainable_state import load_trained_state
from ser.training import data
from ser.training import svm as training

CPU = torch.device("cpu")
SETTINGS = {"batch_size": 16, "precision": "float32"}


@pytest.fixture
def wave(rng):
    return (3000 * rng.standard_normal(24_000) * np.hanning(24_000)).astype(np.int16)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def examples(rng, count, spread=3.0):
    """Return examples of level and duration whose classes overlap more or less."""
    labels = np.arange(count) % len(EMOTIONS)
    centres = np.array([[-20, 2], [-25, 3], [-30, 2], [-35, 4]])
    vectors = (centres[labels] + spread * rng.standard_normal((count, 2))).astype(np.float32)
    frames = [Frames.all_real(vector) for vector in torch.from_numpy(vectors).split(1)]
    return data.Examples(frames, [EMOTIONS[label] for label in labels], [16_000] * count), vectors, labels


def test_egemaps_are_those_of_opensmile(wave):
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    expected = smile.process_signal(wave / 32_768, 16_000)
    frames = svm.build({"features": "egemaps"}).frames_of(wave, CPU)
    assert frames.values.shape == (1, functionals.WIDTHS["egemaps"])
    np.testing.assert_allclose(frames.values, expected, rtol=1e-5)


@pytest.mark.parametrize("samples", [SHORTEST, functionals.LEAST - 1])
def test_egemaps_of_the_shortest_waveforms_are_finite(wave, samples):
    frames = svm.build({"features": "egemaps"}).frames_of(wave[10_000 : 10_000 + samples], CPU)
    assert frames.values.isfinite().all()


def test_level_is_in_db_below_full_scale_and_duration_in_seconds():
    sine = np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000).astype(np.float32)
    level, seconds = functionals.level_and_duration(sine / 10)
    assert (level, seconds) == (pytest.approx(-23.01, abs=0.01), 2.0)
    assert functionals.level_and_duration(np.zeros(16_000, np.float32)).tolist() == [-100, 1]


def test_margins_are_those_of_a_pipeline_of_scikit_learn(rng, tmp_path):
    train, vectors, labels = examples(rng, 80)
    dev, dev_vectors, _ = examples(rng, 40)
    model = svm.build({"features": "level-duration"})
    progress = training.fine_tune(model, train, dev, settings=SETTINGS, started=0.0)
    model.load_state_dict(progress.best_weights)
    cost = training.COSTS[progress.best_epoch - 1]
    expected = make_pipeline(StandardScaler(), LinearSVC(C=cost, dual=False)).fit(vectors, labels)
    margins = model(torch.from_numpy(dev_vectors).unsqueeze(1), None).detach()
    np.testing.assert_allclose(margins, expected.decision_function(dev_vectors), atol=1e-3)
    predicted = probabilities(model, dev.frames, 7)
    assert (predicted.argmax(axis=1) == expected.predict(dev_vectors)).all()


def test_c_with_the_best_development_uar_is_chosen(rng):
    train, dev = (examples(rng, count, spread=6.0)[0] for count in (24, 200))
    progress = training.fine_tune(svm.build({"features": "level-duration"}), train, dev, settings=SETTINGS, started=0.0)
    uars = [row["dev_uar"] for row in progress.history]
    assert len(set(uars)) > 1
    assert uars[progress.best_epoch - 1] == max(uars)
    assert [row["epoch"] for row in progress.history] == [*range(1, len(training.COSTS) + 1)]
    assert progress.converged


def test_precision_of_training_changes_nothing(rng):
    train, dev = (examples(rng, count)[0] for count in (60, 40))
    histories = [
        training.fine_tune(
            svm.build({"features": "level-duration"}),
            train,
            dev,
            settings=SETTINGS | {"precision": precision},
            started=0.0,
        ).history
        for precision in ("float32", "bfloat16")
    ]
    assert histories[0] == histories[1]


def test_constant_functionals_and_missing_classes(rng):
    train, *_ = examples(rng, 40)
    constant = [Frames.all_real(frames.values * torch.tensor([1.0, 0.0])) for frames in train.frames]
    flat = data.Examples(constant, train.emotions, train.samples)
    progress = training.fine_tune(svm.build({"features": "level-duration"}), flat, flat, settings=SETTINGS, started=0.0)
    assert all(torch.isfinite(value).all() for value in progress.best_weights.values())
    without = data.Examples(train.frames[:2], train.emotions[:2], train.samples[:2])
    with pytest.raises(UserError, match="no neutral and no sad"):
        training.fine_tune(svm.build({"features": "level-duration"}), without, train, settings=SETTINGS, started=0.0)


def test_weights_of_other_functionals_are_refused(rng, tmp_path):
    from safetensors.torch import save_file

    train, *_ = examples(rng, 40)
    progress = training.fine_tune(
        svm.build({"features": "level-duration"}), train, train, settings=SETTINGS, started=0.0
    )
    save_file(progress.best_weights, tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match="another model"):
        load_trained_state(svm.build({"features": "egemaps"}), tmp_path / "weights.safetensors")
