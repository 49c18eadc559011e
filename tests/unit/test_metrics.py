"""UAR against scikit-learn and by hand, and the audit's speaker-only guess."""

import warnings

import numpy as np
import pytest
from conftest import real_rows
from sklearn.metrics import balanced_accuracy_score

from ser.core import metrics
from ser.core.constants import EMOTIONS
from ser.corpora import audit


def test_against_scikit_learn_on_random_labels():
    rng = np.random.default_rng()
    for size in (1, 2, 7, 100, 1000):
        truth, predicted = rng.choice(EMOTIONS, size), rng.choice(EMOTIONS, size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn warns of classes that are predicted but absent
            expected = 100 * balanced_accuracy_score(truth, predicted)
        assert metrics.unweighted_average_recall(truth, predicted) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("truth", "predicted", "uar"),
    [
        (["sad"] * 9 + ["angry"], ["sad"] * 10, 50),  # imbalance does not pay
        (["sad"] * 4, ["sad", "sad", "angry", "happy"], 50),  # one class
        (["sad", "angry"], ["happy", "neutral"], 0),  # absent classes predicted
        (["angry", "happy", "neutral", "sad"], ["sad"] * 4, 25),  # chance
    ],
)
def test_by_hand(truth, predicted, uar):
    assert metrics.unweighted_average_recall(truth, predicted) == pytest.approx(uar)


def test_nothing_to_score():
    with pytest.raises(ValueError, match="no utterances"):
        metrics.unweighted_average_recall([], [])


def test_speaker_gives_emotion_away_in_urdu_only():
    urdu, emovo = real_rows("URDU"), real_rows("EMOVO")
    assert audit.speaker_only_uar(urdu, urdu) == pytest.approx(96)
    assert audit.speaker_only_uar(emovo, emovo) == pytest.approx(25)
    known = [row for row in urdu if int(row["speaker"][2:]) % 2]
    unknown = [row for row in urdu if row not in known]
    assert audit.speaker_only_uar(known, unknown) == pytest.approx(25)  # nothing is known of new speakers
