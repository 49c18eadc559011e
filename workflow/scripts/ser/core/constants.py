"""Emotions, audio units and table columns shared by all stages."""

EMOTIONS = ("angry", "happy", "neutral", "sad")
"""The four classes, in the order of table columns and model outputs."""

SAMPLE_RATE = 16_000
"""Sample rate in Hz of all audio after ingestion."""

FULL_SCALE = 32_767
"""Largest sample of 16-bit audio."""

READABLE = (".wav", ".wave", ".bwf", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".aifc")
"""Suffixes of audio that can be read."""

AUDIO_SUFFIXES = (
    *READABLE,
    *(".m4a", ".aac", ".wma", ".amr", ".au", ".caf", ".w64", ".rf64", ".webm", ".mp4", ".3gp", ".mov", ".mka", ".mp2"),
    *(".wv", ".sph", ".spx", ".ape", ".ac3"),
)
"""Suffixes of all audio: what cannot be read is reported, not ignored."""

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
