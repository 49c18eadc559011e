"""Audit of a corpus: statistics, splits, and speaker-emotion confounds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from operator import itemgetter

import numpy as np
import pandas as pd

from ser.core.constants import EMOTIONS, FULL_SCALE
from ser.core.metrics import unweighted_average_recall
from ser.corpora.audio import loud_frames
from ser.corpora.overlaps import exact_duplicates

CLIPPED_RUN = 4  # consecutive samples at full scale that count as clipping
SILENT_DB = -100.0  # floor of the level: less than the last bit
SILENCE_BELOW = 40.0  # dB: frames further below the loudest frame of their recording count as silence
HELD_OUT = {"source": "dev", "target": "test"}  # kind of split -> held-out role


def audit(
    rows: Sequence[dict],
    waveforms: Sequence[np.ndarray],
    levels: Sequence[float],
    silence: Sequence[float],
    archive: dict,
    overlaps: Sequence[dict],
    splits: Mapping[str, Mapping],
) -> dict:
    """Return the contents of a corpus's `audit.json`.

    Args:
        rows: rows of `utterances.csv`.
        waveforms: of each row, int16, shape (samples,).
        levels: `level_db` of each waveform.
        silence: `silence_percent` of each waveform.
        archive: contents of `archive.json`.
        overlaps: rows of `overlaps.csv`.
        splits: kind (`source`, `target`) -> seed -> utterance -> role, already checked for leaks.
    """
    genders = {row["speaker"]: row["gender"] for row in sorted(rows, key=itemgetter("gender"))}  # known ones last
    table, seconds = pd.DataFrame(rows), [float(row["seconds"]) for row in rows]
    group_of = {row["utterance"]: row["group"] for row in rows}
    emotion_of = {row["utterance"]: row["emotion"] for row in rows}
    return {
        "archive": archive,
        "utterances": len(rows),
        "speakers": len(genders),
        "genders": dict(sorted(Counter(gender or "unknown" for gender in genders.values()).items())),
        "groups": len(set(group_of.values())),
        "emotions": emotion_counts(table),
        "seconds": describe(seconds) | {"total": round(sum(seconds), 2)},
        "level_db": describe(levels),
        "level_db_by_emotion": mean_by_emotion(table, levels),
        "silence_percent": describe(silence),
        "silence_percent_by_emotion": mean_by_emotion(table, silence),
        "clipped": [row["utterance"] for row, w in zip(rows, waveforms, strict=True) if is_clipped(w)],
        "speaker_emotion": speaker_emotion_table(table).to_dict("index"),
        "speaker_only_uar": speaker_only_uar(table, table),
        "duplicates": exact_duplicates([row["utterance"] for row in rows], waveforms),
        "overlaps": [
            {
                "utterances": [overlap["utterance"], overlap["other"]],
                "seconds": round(float(overlap["seconds"]), 3),
                "across_groups": group_of[overlap["utterance"]] != group_of[overlap["other"]],
                "emotions": [emotion_of[overlap["utterance"]], emotion_of[overlap["other"]]],
            }
            for overlap in overlaps
        ],
        "splits": {
            kind: {str(seed): describe_split(table, kind, roles) for seed, roles in sorted(of_kind.items())}
            for kind, of_kind in splits.items()
        },
        "held_out": held_out_seeds(rows, splits),
        "repeated_splits": repeated_splits(splits),
    }


def held_out_seeds(rows: Sequence[dict], splits: Mapping[str, Mapping]) -> dict[str, dict]:
    """Return, for each speaker, its group and the seeds whose development or test set it is in.

    Args:
        splits: as for `audit`.
    """
    one_of = {row["speaker"]: row for row in rows}
    return {
        speaker: {"group": row["group"]}
        | {
            HELD_OUT[kind]: sorted(seed for seed, roles in by_seed.items() if roles[row["utterance"]] == HELD_OUT[kind])
            for kind, by_seed in splits.items()
        }
        for speaker, row in sorted(one_of.items())
    }


def repeated_splits(splits: Mapping[str, Mapping]) -> list[str]:
    """Return a warning for each kind of split of which several seeds have the same."""
    warnings = []
    for kind, by_seed in splits.items():
        seeds_of: dict[frozenset, list[str]] = {}
        for seed in sorted(by_seed):
            seeds_of.setdefault(frozenset(by_seed[seed].items()), []).append(str(seed))
        if same := [" and ".join(seeds) for seeds in seeds_of.values() if len(seeds) > 1]:
            warnings.append(f"As a {kind}, only {len(seeds_of)} distinct splits: seeds {', '.join(same)} have the same")
    return warnings


def never_held_out(report: dict, kind: str) -> list[str]:
    """Return the speakers that no seed holds out, if there are splits of this kind (`source`, `target`)."""
    return [s for s, seeds in report["held_out"].items() if not seeds[HELD_OUT[kind]] and report["splits"][kind]]


def describe_split(table: pd.DataFrame, kind: str, roles: Mapping[str, str]) -> dict:
    """Return groups, emotion counts and the held-out speaker-only UAR of a split of a kind (`source`, `target`)."""
    role_of = table["utterance"].map(roles)
    sides, held_out = dict(list(table.groupby(role_of))), role_of == HELD_OUT[kind]
    return {
        "groups": {role: sorted(side["group"].unique()) for role, side in sides.items()},
        "emotions": {role: emotion_counts(side) for role, side in sides.items()},
        "speaker_only_uar": speaker_only_uar(table[~held_out], table[held_out]),
    }


def emotion_counts(table: pd.DataFrame) -> dict[str, int]:
    """Return the number of utterances of each emotion."""
    return table["emotion"].value_counts().reindex(list(EMOTIONS), fill_value=0).to_dict()


def describe(values: Sequence[float]) -> dict[str, float]:
    """Return the mean, minimum, median and maximum, rounded."""
    statistics = {"mean": np.mean, "least": np.min, "median": np.median, "most": np.max}
    return {name: round(float(statistic(values)), 3) for name, statistic in statistics.items()}


def level_db(waveform: np.ndarray) -> float:
    """Return the root mean square of an int16 waveform in dB relative to full scale."""
    power = np.mean(np.square(waveform, dtype=np.float64)) / FULL_SCALE**2
    return max(SILENT_DB, 10 * np.log10(power)) if power else SILENT_DB


def silence_percent(waveform: np.ndarray) -> float:
    """Return the share of silence in %: frames more than 40 dB below the loudest frame."""
    return float(100 * (1 - loud_frames(waveform, SILENCE_BELOW).mean()))


def mean_by_emotion(table: pd.DataFrame, values: Sequence[float]) -> dict[str, float]:
    """Return the mean over the utterances of each emotion, rounded."""
    return pd.Series(values).groupby(table["emotion"]).mean().round(2).to_dict()


def is_clipped(waveform: np.ndarray) -> bool:
    """Return whether `CLIPPED_RUN` or more consecutive samples are at full scale."""
    at_full_scale = np.abs(waveform.astype(np.int32)) >= FULL_SCALE
    if not at_full_scale.any():
        return False
    return bool((np.convolve(at_full_scale, np.ones(CLIPPED_RUN), "valid") >= CLIPPED_RUN).any())


def speaker_emotion_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the number of utterances of each speaker (rows) in each emotion (columns)."""
    return pd.crosstab(table["speaker"], table["emotion"]).reindex(columns=list(EMOTIONS), fill_value=0)


def speaker_only_uar(train: pd.DataFrame, test: pd.DataFrame) -> float:
    """Return the UAR in % of predicting emotion from the speaker alone, rounded.

    The most frequent training emotion of the speaker is predicted. For a speaker without training rows, the most
    frequent emotion of all training rows is predicted. Ties go to the first emotion in `EMOTIONS`.
    """
    counts = speaker_emotion_table(train)
    predicted = test["speaker"].map(counts.idxmax(axis=1)).fillna(counts.sum().idxmax())
    return round(unweighted_average_recall(test["emotion"], predicted), 2)


def summary(corpus: str, report: dict) -> dict:
    """Return a corpus's row of `results/audit.csv`."""
    splits = report["splits"]
    return {
        "corpus": corpus,
        "language": report["language"],
        "format": report["archive"]["format"],
        "utterances": report["utterances"],
        **report["emotions"],
        "speakers": report["speakers"],
        "women": report["genders"].get("female", 0),
        "men": report["genders"].get("male", 0),
        "groups": report["groups"],
        "hours": round(report["seconds"]["total"] / 3600, 3),
        "mean_seconds": report["seconds"]["mean"],
        "longest_seconds": report["seconds"]["most"],
        "mean_level_db": report["level_db"]["mean"],
        "silence_percent": report["silence_percent"]["mean"],
        "clipped": len(report["clipped"]),
        "duplicates": len(report["duplicates"]),
        "overlapping_pairs": len(report["overlaps"]),
        "overlaps_across_groups": sum(overlap["across_groups"] for overlap in report["overlaps"]),
        "speaker_only_uar": report["speaker_only_uar"],
        "smallest_class_dev": smallest_class(splits["source"], "dev"),
        "smallest_class_test": smallest_class(splits["target"], "test"),
        "never_in_dev": " ".join(never_held_out(report, "source")),
        "never_in_test": " ".join(never_held_out(report, "target")),
        "verified": report["archive"]["verification"]["level"],
        "archive": report["archive"]["archive"],
        "archive_sha256": report["archive"]["sha256"],
        "recordings_sha256": report["archive"]["recordings_sha256"],
        "note": "; ".join(report["archive"]["verification"]["notes"]),
    }


def by_emotion(corpus: str, report: dict) -> list[dict]:
    """Return a corpus's rows of `results/audit_emotions.csv`: a row per emotion."""
    return [
        {
            "corpus": corpus,
            "emotion": emotion,
            "utterances": report["emotions"][emotion],
            "level_db": report["level_db_by_emotion"][emotion],
            "silence_percent": report["silence_percent_by_emotion"][emotion],
        }
        for emotion in EMOTIONS
    ]


def by_speaker(corpus: str, report: dict) -> list[dict]:
    """Return a corpus's rows of `results/audit_speakers.csv`: who is held out, and how often."""
    return [
        {
            "corpus": corpus,
            "speaker": speaker,
            "group": seeds["group"],
            "utterances": sum(report["speaker_emotion"][speaker].values()),
            **{
                f"{role}_seeds": len(seeds[role]) if report["splits"][kind] else None for kind, role in HELD_OUT.items()
            },
        }
        for speaker, seeds in report["held_out"].items()
    ]


def smallest_class(splits: Mapping[str, dict], role: str) -> int | None:
    """Return a role's smallest class size over all seeds, or None without splits."""
    return min((min(split["emotions"][role].values()) for split in splits.values()), default=None)
