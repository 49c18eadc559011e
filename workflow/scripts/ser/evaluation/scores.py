"""Scores of predictions, one row per training run, target, condition and test set."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError, listing
from ser.core.files import read_json, read_rows
from ser.core.metrics import accuracy, unweighted_average_recall
from ser.core.paths import RunId
from ser.corpora import leakage
from ser.corpora.data_fingerprint import data_fingerprint, described

MEASURES = ("uar", "accuracy", "auc", "macro_f1", "speaker_recall", "largest_share", "ece")  # all in %
TRAINING = ("selected_epoch", "epochs", "train_loss", "converged")  # of the training run, from `run.json`
COLUMNS = ("model", "source", "target", "shots", "condition", "test_set", "seed", "n", *MEASURES, *TRAINING, "data")
BINS = 15  # of the expected calibration error, as in its paper
COLLAPSED = 80.0  # largest share (%) above which a model is said to predict one class
SPLIT = re.compile(r"splits/(?P<target>[^/]+)/seed(?P<seed>\d+)/target\.csv$")


@dataclass(frozen=True)
class Predictions:
    """Predictions of a run for one target and condition; rows have a `role` and a `speaker`."""

    run: RunId
    target: str
    condition: str
    rows: list[dict]

    @property
    def identity(self) -> dict:
        """Columns that identify the run, the target and the condition."""
        run = self.run
        named = {"model": run.model, "source": run.source, "target": self.target, "shots": run.shots}
        return named | {"condition": self.condition, "seed": run.seed}


def read_predictions(
    paths: Iterable[str | Path],
    splits: Sequence[str | Path],
    utterances: Mapping[str, Sequence[dict]],
    conditions: Collection[str],
) -> Iterator[Predictions]:
    """Yield predictions for the given targets and conditions.

    Args:
        paths: `results/predictions/....csv`.
        splits: `target.csv` of every target and seed.
        utterances: target -> rows of its `utterances.csv`.

    Raises `UserError` if the predicted utterances are not those of the target's split.
    """
    roles = read_roles(splits)
    speakers = {target: {row["utterance"]: row["speaker"] for row in rows} for target, rows in utterances.items()}
    for path in paths:
        run = RunId.parse(path)
        for (target, condition), group in groupby(read_rows(path), lambda row: (row["target"], row["condition"])):
            if target in utterances and condition in conditions:
                rows, role_of, speaker_of = list(group), roles[target, run.seed], speakers[target]
                _check_utterances(path, target, run.seed, {row["utterance"] for row in rows}, role_of)
                for row in rows:
                    row |= {"role": role_of[row["utterance"]], "speaker": speaker_of[row["utterance"]]}
                yield Predictions(run, target, condition, rows)


def _check_utterances(path, target: str, seed: int, predicted: set[str], role_of: Mapping[str, str]) -> None:
    if unmatched := sorted(predicted ^ role_of.keys()):
        raise UserError(
            f"{path} and results/splits/{target}/seed{seed}/target.csv differ in their utterances"
            f" ({listing(unmatched)}). Delete both files and run Snakemake again."
        )


def read_roles(splits: Sequence[str | Path]) -> dict[tuple[str, int], dict[str, str]]:
    """Return (target, seed) -> utterance -> `pool` or `test`."""
    found = {}
    for path in splits:
        match = SPLIT.search(str(path))
        found[match["target"], int(match["seed"])] = leakage.read_roles(path)
    return found


def read_training(paths: Iterable[str | Path]) -> dict[RunId, dict]:
    """Return the `TRAINING` columns of every run, and the fingerprint of its `data`, from its `run.json`."""
    found = {}
    for path in paths:
        record = read_json(path)
        found[RunId.parse(path)] = {
            **{name: record[name] for name in ("selected_epoch", "epochs")},
            "train_loss": f"{record['train_loss']:.6f}",
            "converged": int(record["converged"]),
            "data": record["data"],
        }
    return found


def score(
    predictions: Predictions, utterances: Sequence[dict], training: Mapping[str, object], condition: Mapping
) -> list[dict]:
    """Score predictions on all utterances and on the seed's test speakers.

    A run with training data of the target is scored on `test` only, since `all` contains them.

    Args:
        utterances: rows of the target's `utterances.csv`.
        training: the `TRAINING` columns and the fingerprint of the `data` of the run.
        condition: its settings.

    The column `data` is a fingerprint of training, development and test data and of the condition, without the audio.
    Scores that differ in it are not comparable, also between machines and versions.
    """
    test = [row for row in predictions.rows if row["role"] == "test"]
    test_sets = {"test": test} if predictions.run.has_target_data else {"all": predictions.rows, "test": test}
    scores = []
    for name, rows in test_sets.items():
        tested = described(utterances, [row["utterance"] for row in rows])
        data = data_fingerprint(training["data"], tested, dict(condition))
        scores.append(predictions.identity | {"test_set": name} | measure(rows) | training | {"data": data})
    return scores


def measure(rows: Sequence[dict]) -> dict:
    """Return `n` and the `MEASURES` in %.

    Args:
        rows: rows with `speaker`, `emotion`, `predicted`, and the probability of every emotion.
    """
    truth, predicted, speakers = ([row[key] for row in rows] for key in ("emotion", "predicted", "speaker"))
    probabilities = np.array([[float(row[emotion]) for emotion in EMOTIONS] for row in rows])
    measured = {
        "uar": unweighted_average_recall(truth, predicted),
        "accuracy": accuracy(truth, predicted),
        "auc": macro_auc(truth, probabilities),
        "macro_f1": macro_f1(truth, predicted),
        "speaker_recall": speaker_recall(truth, predicted, speakers),
        "largest_share": largest_share(predicted),
        "ece": calibration_error(truth, predicted, probabilities),
    }
    return {"n": len(rows)} | {name: f"{value:.6f}" for name, value in measured.items()}


def macro_auc(truth: Sequence[str], probabilities: np.ndarray) -> float:
    """Return the area under the ROC curve in %: each emotion against the others, mean over those that occur.

    It is the probability that an utterance of the emotion gets a higher probability of it than another utterance does,
    so it does not depend on the decisions; chance is 50.

    Args:
        probabilities: shape (utterances, emotions).
    """
    from sklearn.metrics import roc_auc_score  # slow to import: tables and figures import this module, but do not score

    truth = np.asarray(truth)
    each = [
        roc_auc_score(truth == e, column) for e, column in zip(EMOTIONS, probabilities.T, strict=True) if e in truth
    ]
    return 100 * float(np.mean(each))


def macro_f1(truth: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the mean F1 in % over the emotions that occur in `truth`."""
    from sklearn.metrics import f1_score  # slow, as above

    return 100 * float(f1_score(truth, predicted, labels=sorted(set(truth)), average="macro", zero_division=0))


def speaker_recall(truth: Sequence[str], predicted: Sequence[str], speakers: Sequence[str]) -> float:
    """Return the UAR of every speaker, over the emotions that this speaker has, averaged over speakers, in %.

    Every speaker has equal weight, whatever the number of utterances. Where speakers have a single emotion (URDU), it
    is their mean recall, and chance is not 25.
    """
    truth, predicted, speakers = map(np.asarray, (truth, predicted, speakers))
    own = [speakers == speaker for speaker in np.unique(speakers)]
    return float(np.mean([unweighted_average_recall(truth[rows], predicted[rows]) for rows in own]))


def largest_share(predicted: Sequence[str]) -> float:
    """Return the share in % of the class that is predicted most often."""
    return 100 * max(Counter(predicted).values()) / len(predicted)


def calibration_error(truth: Sequence[str], predicted: Sequence[str], probabilities: np.ndarray) -> float:
    """Return the expected calibration error in %: the gap between confidence and accuracy.

    Predictions are sorted into `BINS` bins of equal width by the probability of the predicted class. The error is the
    mean absolute difference of accuracy and mean probability, weighted by the bins' sizes (Guo et al., On calibration
    of modern neural networks, 2017, equation 3).

    Args:
        probabilities: shape (utterances, emotions).
    """
    confidence, right = probabilities.max(axis=1), np.asarray(truth) == np.asarray(predicted)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    differences = np.bincount(bins, weights=right - confidence, minlength=BINS)
    return 100 * float(np.abs(differences).sum()) / len(confidence)


def merged(paths: Sequence[str | Path]) -> list[dict]:
    """Return the rows of several score files without duplicates."""
    unique = {tuple(row.items()): row for path in paths for row in read_rows(path)}
    return sorted(unique.values(), key=sort_key)


def sort_key(row: Mapping):
    """Return a key that sorts names alphabetically and numbers by value."""
    return (
        *(row[c] for c in ("model", "source", "target")),
        int(row["shots"]),
        row["condition"],
        row["test_set"],
        int(row["seed"]),
    )
