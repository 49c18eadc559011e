"""Log-mel frames, the front end of CNN-LSTM: computed once per corpus and condition."""

import numpy as np

from ser.core.constants import SAMPLE_RATE

BANDS = 64
HOP = 160  # samples: 10 ms

WINDOW = 400  # samples: 25 ms


def log_mel(waveform: np.ndarray) -> np.ndarray:
    """librosa's mel spectrogram in dB, each band standardised over the utterance.

    Args:
        waveform: float32 in [-1, 1), 16 kHz, shape (samples,).

    Returns float32 of shape (frames, 64), one frame every 10 ms. Mean and deviation are the
    utterance's own, so a recording's level and the colour of its channel do not enter.
    """
    import librosa  # here, since training needs the shape of frames alone

    power = librosa.feature.melspectrogram(
        y=waveform, sr=SAMPLE_RATE, n_fft=512, win_length=WINDOW, hop_length=HOP, n_mels=BANDS
    )
    decibels = librosa.power_to_db(power).T
    standardised = (decibels - decibels.mean(axis=0)) / (decibels.std(axis=0) + 1e-5)
    assert len(standardised) == frame_count(len(waveform))
    return standardised.astype(np.float32)


def frame_count(samples: int) -> int:
    """Frames of an utterance: librosa centres a window on every hop, the first sample included."""
    return 1 + samples // HOP
