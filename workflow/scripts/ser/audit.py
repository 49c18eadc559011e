"""What a corpus holds, and how much of its emotion its speakers give away."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from ser.metrics import unweighted_average_recall
from ser.vocabulary import EMOTIONS


def audit(rows: Sequence[dict], audio: np.ndarray, archive: dict) -> dict:
    """Counts, durations, speaker x emotion table, duplicates, and the UAR of guessing from the speaker.

    Args:
        rows: the corpus's `utterances.csv`.
        audio: int16, shape (all samples,).
        archive: what ingestion noted of the archive.
    """
    seconds = np.array([float(row["seconds"]) for row in rows])
    emotions = [row["emotion"] for row in rows]
    return {
        "archive": archive,
        "utterances": len(rows),
        "speakers": len({row["speaker"] for row in rows}),
        "groups": len({row["group"] for row in rows}),
        "emotions": {emotion: emotions.count(emotion) for emotion in EMOTIONS},
        "seconds": {
            "total": round(float(seconds.sum()), 2),
            "mean": round(float(seconds.mean()), 3),
            "shortest": round(float(seconds.min()), 3),
            "median": round(float(np.median(seconds)), 3),
            "longest": round(float(seconds.max()), 3),
        },
        "speaker_emotion": speaker_emotion_table(rows),
        "speaker_only_uar": round(speaker_only_uar(rows), 2),
        "duplicates": exact_duplicates(rows, audio),
    }


def speaker_emotion_table(rows: Sequence[dict]) -> dict[str, dict[str, int]]:
    """Utterances of every speaker in every emotion."""
    counts = Counter((row["speaker"], row["emotion"]) for row in rows)
    speakers = sorted({row["speaker"] for row in rows})
    return {speaker: {emotion: counts[speaker, emotion] for emotion in EMOTIONS} for speaker in speakers}


def speaker_only_uar(rows: Sequence[dict]) -> float:
    """UAR in % of answering with each speaker's most frequent emotion, ignoring the speech.

    Ties go to the first emotion in the fixed order.
    """
    table = speaker_emotion_table(rows)
    guess = {speaker: max(EMOTIONS, key=lambda emotion: counts[emotion]) for speaker, counts in table.items()}
    return unweighted_average_recall([row["emotion"] for row in rows], [guess[row["speaker"]] for row in rows])


def exact_duplicates(rows: Sequence[dict], audio: np.ndarray) -> list[list[str]]:
    """Groups of utterances whose audio is the same, sample for sample."""
    by_content = defaultdict(list)
    for row in rows:
        start, samples = int(row["start"]), int(row["samples"])
        by_content[hashlib.sha256(audio[start : start + samples].tobytes()).digest()].append(row["utterance"])
    return sorted(names for names in by_content.values() if len(names) > 1)
