"""Adaptation to unlabelled recordings, temperature, calibration error, and their figure."""

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.core.paths import ADAPTED, CALIBRATED, CLEAN
from ser.deploy import label
from ser.evaluation.scores import calibration_error
from ser.figures import adaptation
from ser.models.cnn_lstm import CnnLstm
from ser.models.svm import LinearSvm
from ser.training.calibration import EXTREME, Calibration, fit_temperature, moments
from ser.training.prediction import classify_embeddings

CPU = torch.device("cpu")


@pytest.fixture
def weights(tmp_path):
    save_file({"w": torch.ones(2)}, tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


class TestAdaptation:
    def test_adapted_embeddings_have_the_sources_moments(self):
        torch.manual_seed(1)
        source, target = torch.randn(50, 6) * 3 + 1, torch.randn(80, 6) * 0.2 - 7
        adapted = Calibration(*moments(source), 1.0).adapted(target)
        for own, expected in zip(moments(adapted), moments(source), strict=True):
            torch.testing.assert_close(own, expected, atol=1e-5, rtol=1e-5)
        order = target[:, 2].argsort()
        assert adapted[order, 2].diff().min() >= 0, "the order of utterances in a dimension changed"

    def test_the_sources_own_embeddings_do_not_change(self):
        source = torch.randn(50, 6)
        torch.testing.assert_close(Calibration(*moments(source), 1.0).adapted(source), source)

    def test_a_shift_and_scale_of_the_recordings_does_not_change_adapted_predictions(self):
        torch.manual_seed(2)
        model, source, target = LinearSvm("level-duration"), torch.randn(30, 2), torch.randn(40, 2)
        calibration = Calibration(*moments(source), 2.0)
        here, shifted = (
            classify_embeddings(model, t, CPU, ADAPTED, calibration, "w") for t in (target, target * 5 - 3)
        )
        np.testing.assert_allclose(here, shifted, atol=1e-5)
        plain, other = (classify_embeddings(model, t, CPU, CLEAN, None, "w") for t in (target, target * 5 - 3))
        assert np.abs(plain - other).max() > 0.01

    def test_a_constant_dimension_becomes_the_sources_mean(self):
        source, target = torch.randn(20, 3), torch.randn(20, 3)
        target[:, 1] = 4.0
        adapted = Calibration(*moments(source), 1.0).adapted(target)
        torch.testing.assert_close(adapted[:, 1], source[:, 1].mean().expand(20))

    def test_calibrated_predictions_keep_their_classes(self):
        model, embedded = CnnLstm(), torch.randn(12, 256) * 9
        calibration = Calibration(torch.zeros(256), torch.ones(256), 3.0)
        plain = classify_embeddings(model, embedded, CPU, CLEAN, None, "w")
        calibrated = classify_embeddings(model, embedded, CPU, CALIBRATED, calibration, "w")
        assert (plain.argmax(1) == calibrated.argmax(1)).all()
        expected = plain ** (1 / 3)
        np.testing.assert_allclose(calibrated, expected / expected.sum(1, keepdims=True), atol=1e-6)


class TestTemperature:
    def test_known_temperature_is_found(self):
        generator = torch.Generator().manual_seed(3)
        logits = torch.randn(20_000, 4, generator=generator, dtype=torch.float64) * 2
        labels = torch.multinomial(torch.softmax(logits, 1), 1, generator=generator).squeeze(1)
        assert fit_temperature(logits * 3, labels) == pytest.approx(3, rel=0.05)

    def test_it_is_limited_where_all_predictions_are_right(self):
        assert 1 / EXTREME <= fit_temperature(torch.eye(4), [0, 1, 2, 3]) < 0.1


class TestFile:
    def test_saved_calibration_is_read_again(self, tmp_path, weights):
        path, other = tmp_path / "calibration.safetensors", tmp_path / "other"
        other.touch()
        saved = Calibration(*moments(torch.randn(9, 5)), 1.7)
        saved.save(path, weights)
        assert path.stat().st_mode == other.stat().st_mode
        read = Calibration.load(path, weights)
        assert torch.equal(read.mean, saved.mean)
        assert torch.equal(read.deviation, saved.deviation)
        assert read.temperature == 1.7

    def test_calibration_of_other_weights_is_refused(self, tmp_path, weights):
        path = tmp_path / "calibration.safetensors"
        Calibration(*moments(torch.randn(9, 5)), 1.7).save(path, weights)
        save_file({"w": torch.zeros(2)}, weights)
        with pytest.raises(UserError, match="computed for other weights"):
            Calibration.load(path, weights)

    def test_damaged_file_is_refused(self, tmp_path, weights):
        (tmp_path / "calibration.safetensors").write_bytes(b"\x00" * 40)
        with pytest.raises(UserError, match="damaged"):
            Calibration.load(tmp_path / "calibration.safetensors", weights)


class TestCalibrationError:
    def test_value_by_hand(self):
        # two bins: confidence 0.9 with accuracy 0.5, confidence 0.4 with accuracy 1
        probabilities = np.array([[0.9, 0.1, 0, 0], [0.9, 0.1, 0, 0], [0.4, 0.3, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1]])
        predicted, truth = [EMOTIONS[0]] * 4, [EMOTIONS[0], EMOTIONS[1], EMOTIONS[0], EMOTIONS[0]]
        assert calibration_error(truth, predicted, probabilities) == pytest.approx(100 * (0.5 * 0.4 + 0.5 * 0.6))

    def test_certain_and_right_has_none(self):
        assert calibration_error(list(EMOTIONS), list(EMOTIONS), np.eye(4)) == 0


class TestFigure:
    def test_made_up_scores_give_known_changes(self):
        experiment = {"models": ["m"], "sources": ["A"], "targets": ["B"]}
        right = {"clean": (5, 6), "calibrated": (5, 6), "adapted": (8, 7)}  # of 10 a class, by seed
        ece = {"clean": 30.0, "calibrated": 12.0, "adapted": 8.0}
        scores, counts = [], []
        for condition, by_seed in right.items():
            for seed, hits in enumerate(by_seed, 1):
                cell = {"model": "m", "source": "A", "target": "B", "shots": 0, "condition": condition, "seed": seed}
                scores.append(cell | {"test_set": "all", "uar": 10.0 * hits, "n": 40, "ece": ece[condition]})
                for speaker in ("s1", "s2"):
                    for emotion, other in zip(EMOTIONS, [*EMOTIONS[1:], EMOTIONS[0]], strict=True):
                        predicted = dict.fromkeys(EMOTIONS, 0) | {emotion: hits, other: 10 - hits}
                        counts.append(cell | {"test_set": "all", "speaker": speaker, "emotion": emotion} | predicted)
        (row,) = adaptation.cells(pd.DataFrame(scores), pd.DataFrame(counts), experiment).to_dict("records")
        assert (row["uar"], row["uar_adapted"]) == (55, 75)
        assert row["change"] == pytest.approx(20)
        assert row["change_low"] < 11
        assert row["change_high"] > 29
        assert (row["ece"], row["ece_calibrated"], row["ece_adapted"]) == (30, 12, 8)


class TestWarning:
    def test_one_class_is_said(self):
        said = label.warning({"angry": 19, "sad": 2}, adapted=False)
        assert said.startswith("19 of 21 rows are angry")
        assert "--adapt" in said
        assert "--adapt" not in label.warning({"angry": 19, "sad": 2}, adapted=True)

    def test_several_classes_or_few_rows_are_not(self):
        assert label.warning({"angry": 16, "sad": 4}, adapted=False) is None
        assert label.warning({"angry": 19}, adapted=False) is None
