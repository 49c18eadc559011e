"""The words and units that every stage shares."""

EMOTIONS = ("angry", "happy", "neutral", "sad")
"""The four classes, in the order of every table's columns and of every model's outputs."""

SAMPLE_RATE = 16_000
"""Samples per second of every waveform behind ingestion."""

UTTERANCE_COLUMNS = (
    "utterance",
    "speaker",
    "group",
    "gender",
    "language",
    "emotion",
    "seconds",
    "start",
    "samples",
    "file",
)
"""Columns of a corpus's `utterances.csv`."""
