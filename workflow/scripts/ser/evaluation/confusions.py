"""What was said and what was heard, counted by speaker: from these counts every score can be had again."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ser.core.constants import EMOTIONS
from ser.core.files import read_rows
from ser.evaluation.scores import PREDICTION, read_predictions, read_roles, sort_key

RUN = ("model", "source", "target", "shots", "condition")
COLUMNS = (*RUN, "seed", "role", "speaker", "emotion", *EMOTIONS)


def count_files(predictions: Sequence[str], splits: Sequence[str], utterances: Sequence[str]) -> list[dict]:
    """Predictions counted by run, repetition, role (`pool` or `test`), speaker and true emotion.

    Args:
        predictions: prediction files.
        splits: `target.csv` of every target and repetition among them.
        utterances: `utterances.csv` of every target among them.

    Of a run that saw samples of the target, only test speakers are counted.
    """
    roles = read_roles(splits)
    speakers = {Path(path).parent.name: speakers_of(path) for path in utterances}
    rows = []
    for path in predictions:
        identity = PREDICTION.search(path).groupdict()
        role_of, speaker_of = roles[identity["target"], identity["seed"]], speakers[identity["target"]]
        counts: Counter = Counter()
        for row in read_predictions(path, role_of):
            utterance = row["utterance"]
            counts[role_of[utterance], speaker_of[utterance], row["emotion"], row["predicted"]] += 1
        for role, speaker, emotion in sorted({key[:3] for key in counts}):
            if role == "test" or identity["shots"] == "0":
                heard = {predicted: counts[role, speaker, emotion, predicted] for predicted in EMOTIONS}
                rows.append(identity | {"role": role, "speaker": speaker, "emotion": emotion} | heard)
    return sorted(
        rows, key=lambda row: (*sort_key(row | {"test_set": ""}), row["role"], row["speaker"], row["emotion"])
    )


def speakers_of(utterances: str) -> dict[str, str]:
    """Utterance -> speaker."""
    return {row["utterance"]: row["speaker"] for row in read_rows(utterances)}


def read(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Several such files as one, runs that several experiments share once, names as strings."""
    text = ("model", "source", "target", "condition", "role", "speaker", "emotion")
    frames = [pd.read_csv(path, dtype={name: str for name in text}, keep_default_na=False) for path in paths]
    return pd.concat(frames, ignore_index=True).drop_duplicates(ignore_index=True)


def matrices(counts: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Mean confusion matrices, rows normalised: one row per `by` and true emotion, shares in %.

    Every pair's matrix in a repetition counts alike, however many utterances it has. The diagonal is the
    mean recall, and its mean over emotions the mean UAR.
    """
    cell = ["model", "source", "target", "seed", "emotion"]
    heard = counts.groupby(cell, sort=False)[list(EMOTIONS)].sum()
    shares = 100 * heard.div(heard.sum(axis=1), axis=0)
    return shares.groupby([*by, "emotion"], sort=False).mean().reset_index()


def recalls(counts: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """The diagonals of `matrices`: one row per `by` and emotion, `recall` in %."""
    heard = matrices(counts, by)
    own = [row[row["emotion"]] for _, row in heard.iterrows()]
    return heard[[*by, "emotion"]].assign(recall=own)


def correct_and_total(rows: pd.DataFrame, seeds: Sequence[int], speakers: Sequence[str]) -> tuple[np.ndarray, ...]:
    """Utterances heard correctly, and all: two arrays of shape (seeds, speakers, 4 emotions)."""
    correct, total = np.zeros((2, len(seeds), len(speakers), len(EMOTIONS)))
    at = (
        rows["seed"].map({seed: i for i, seed in enumerate(seeds)}).to_numpy(),
        rows["speaker"].map({speaker: i for i, speaker in enumerate(speakers)}).to_numpy(),
        rows["emotion"].map({emotion: i for i, emotion in enumerate(EMOTIONS)}).to_numpy(),
    )
    heard = rows[list(EMOTIONS)].to_numpy()
    np.add.at(correct, at, heard[np.arange(len(rows)), at[2]])
    np.add.at(total, at, heard.sum(axis=1))
    return correct, total
