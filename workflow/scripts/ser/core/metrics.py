"""Unweighted average recall and accuracy."""

from collections.abc import Sequence

import numpy as np


def recalls(truth: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    """Return the recall, from 0 to 1, of every class that occurs in `truth`."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    return {str(label): float(np.mean(predicted[truth == label] == label)) for label in np.unique(truth)}


def unweighted_average_recall(truth: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the UAR in %: the mean recall over the classes that occur in `truth`.

    Equals scikit-learn's `balanced_accuracy_score`. Raises `ValueError` if there are no utterances.
    """
    if not len(truth):
        raise ValueError("no utterances to score")
    return 100 * float(np.mean(list(recalls(truth, predicted).values())))


def accuracy(truth: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the share of correct predictions in %."""
    return 100 * float(np.mean(np.asarray(truth) == np.asarray(predicted)))
