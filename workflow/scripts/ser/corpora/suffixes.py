"""Suffixes of audio files."""

READABLE = (".wav", ".wave", ".bwf", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".aifc")
"""Suffixes of audio that can be read."""

AUDIO_SUFFIXES = (
    *READABLE,
    *(".m4a", ".aac", ".wma", ".amr", ".au", ".caf", ".w64", ".rf64", ".webm", ".mp4", ".3gp", ".mov", ".mka", ".mp2"),
    *(".wv", ".sph", ".spx", ".ape", ".ac3"),
)
"""Suffixes of all audio: what cannot be read is reported, not ignored."""
