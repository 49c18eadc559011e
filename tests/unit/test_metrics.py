"""Scores against scikit-learn and known values, and the audit's speaker-only UAR."""

import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import real_rows
from sklearn.metrics import balanced_accuracy_score

from ser.core import metrics
from ser.core.constants import EMOTIONS
from ser.corpora import audit
from ser.evaluation import scores


def test_uar_equals_that_of_scikit_learn():
    rng = np.random.default_rng()
    for size in (1, 2, 7, 100, 1000):
        truth, predicted = rng.choice(EMOTIONS, size), rng.choice(EMOTIONS, size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn warns of classes that are predicted but absent
            expected = 100 * balanced_accuracy_score(truth, predicted)
        assert metrics.unweighted_average_recall(truth, predicted) == pytest.approx(expected, abs=1e-9)


def test_empty_input_is_rejected():
    with pytest.raises(ValueError, match="no utterances"):
        metrics.unweighted_average_recall([], [])


def test_auc_depends_on_the_order_of_probabilities_only():
    """Two emotions occur; all utterances are predicted to be angry."""
    truth = ["angry", "angry", "sad", "sad"]
    probabilities = np.array([[0.9, 0, 0, 0.1], [0.7, 0, 0, 0.3], [0.8, 0, 0, 0.2], [0.6, 0, 0, 0.4]])
    assert scores.macro_auc(truth, probabilities) == pytest.approx(75)
    assert scores.macro_auc(truth, probabilities**3) == pytest.approx(75)
    assert scores.macro_auc(truth, np.full((4, 4), 0.25)) == 50


def test_speakers_have_equal_weight_in_speaker_recall():
    """One speaker has a single emotion, and is always wrong; the other has two, and nine times as many utterances."""
    truth, predicted = ["angry"] * 8 + ["sad", "sad"], ["angry"] * 8 + ["angry", "angry"]
    assert scores.speaker_recall(truth, predicted, ["A"] * 9 + ["B"]) == pytest.approx((50 + 0) / 2)
    assert metrics.unweighted_average_recall(truth, predicted) == 50


def test_macro_f1_and_largest_share():
    """Emotions that are predicted but do not occur have no F1 of their own."""
    truth, predicted = ["angry", "angry", "sad", "sad"], ["angry", "happy", "sad", "sad"]
    assert scores.macro_f1(truth, predicted) == pytest.approx(100 * (2 / 3 + 1) / 2)
    assert scores.largest_share(predicted) == 50


def test_speaker_predicts_emotion_only_in_urdu():
    urdu, emovo = (pd.DataFrame(real_rows(corpus)) for corpus in ("URDU", "EMOVO"))
    assert audit.speaker_only_uar(urdu, urdu) == pytest.approx(96)
    assert audit.speaker_only_uar(emovo, emovo) == pytest.approx(25)
    known = urdu[urdu["speaker"].str[2:].astype(int) % 2 == 1]
    assert audit.speaker_only_uar(known, urdu.drop(known.index)) == pytest.approx(25)  # chance for unknown speakers
