"""Fingerprint of the data behind a score: names, labels and lengths of utterances, but not their audio."""

import hashlib
import json
from collections.abc import Iterable, Sequence

COLUMNS = ("utterance", "emotion", "speaker", "samples")  # of `utterances.csv`; names of corpora are the user's


def data_fingerprint(*parts) -> str:
    """Return 16 hexadecimal digits that depend on the parts (texts, numbers, lists or dictionaries of them)."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def described(rows: Sequence[dict], wanted: Iterable[str]) -> list[list[str]]:
    """Return the `COLUMNS` of the wanted utterances, sorted by utterance.

    Args:
        rows: rows of `utterances.csv`.
    """
    chosen = set(wanted)
    return sorted([str(row[name]) for name in COLUMNS] for row in rows if row["utterance"] in chosen)
