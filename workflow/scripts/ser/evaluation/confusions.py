"""What was said and what was heard, counted by speaker: from these counts every score can be had again."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ser.core.constants import EMOTIONS
from ser.core.files import read_rows
from ser.evaluation.scores import Predictions, sort_key

RUN = ("model", "source", "target", "shots", "condition")
COLUMNS = (*RUN, "seed", "role", "speaker", "emotion", *EMOTIONS)


def count(predictions: Iterable[Predictions], speaker_of: Mapping[str, Mapping[str, str]]) -> list[dict]:
    """Count predictions by run, seed, role (`pool` or `test`), speaker and true emotion.

    Args:
        speaker_of: target -> utterance -> speaker.

    Of a run that saw examples of the target, only test speakers are counted.
    """
    rows = []
    for one in predictions:
        counts = Counter(
            (row["role"], speaker_of[one.target][row["utterance"]], row["emotion"], row["predicted"])
            for row in one.rows
            if row["role"] == "test" or not one.run.shots
        )
        for role, speaker, emotion in sorted({key[:3] for key in counts}):
            predicted = {name: counts[role, speaker, emotion, name] for name in EMOTIONS}
            rows.append(one.identity | {"role": role, "speaker": speaker, "emotion": emotion} | predicted)
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
