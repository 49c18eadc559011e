"""Emotions, audio units and table columns shared by all stages."""

EMOTIONS = ("angry", "happy", "neutral", "sad")
"""The four classes, in the order of table columns and model outputs."""

SAMPLE_RATE = 16_000
"""Sample rate in Hz of all audio after ingestion."""

FULL_SCALE = 32_767
"""Largest sample of 16-bit audio."""

UTTERANCE_COLUMNS = (
    "utterance",
    "speaker",
    "group",
    "gender",
    "emotion",
    "seconds",
    "start",
    "samples",
    "file",
)
"""Columns of a corpus's `utterances.csv`."""
