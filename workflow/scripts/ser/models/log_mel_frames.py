"""The shape of a log-mel array: what its readers need without importing librosa."""

BANDS = 64
HOP = 160  # samples: 10 ms


def frame_count(samples: int) -> int:
    """Frames of an utterance: librosa centres a window on every hop, the first sample included."""
    return 1 + samples // HOP
