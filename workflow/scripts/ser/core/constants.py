"""The words and units that every stage shares."""

EMOTIONS = ("angry", "happy", "neutral", "sad")
"""The four classes, in the order of every table's columns and of every model's outputs."""

SAMPLE_RATE = 16_000
"""Samples per second of every waveform behind ingestion."""

FULL_SCALE = 32_767
"""Largest sample of 16-bit audio."""

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
