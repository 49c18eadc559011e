"""Log-mel frames, the input of CNN-LSTM."""

import numpy as np

from ser.core.constants import SAMPLE_RATE

BANDS = 64
HOP = 160  # samples: 10 ms

WINDOW = 400  # samples: 25 ms


def log_mel(waveform: np.ndarray) -> np.ndarray:
    """Compute librosa's mel spectrogram in dB, with each band standardised.

    Args:
        waveform: float32 in [-1, 1), 16 kHz, shape (samples,).

    Returns float32 of shape (frames, 64), one frame every 10 ms. Mean and standard deviation are the utterance's own,
    which removes the recording's level and the frequency response of its channel.
    """
    import librosa  # slow to import, and not needed for training

    power = librosa.feature.melspectrogram(
        y=waveform, sr=SAMPLE_RATE, n_fft=512, win_length=WINDOW, hop_length=HOP, n_mels=BANDS
    )
    decibels = librosa.power_to_db(power).T
    standardised = (decibels - decibels.mean(axis=0)) / (decibels.std(axis=0) + 1e-5)
    assert len(standardised) == frame_count(len(waveform))
    return standardised.astype(np.float32)


def frame_count(samples: int) -> int:
    """Return the number of frames; librosa centres a window on samples 0, HOP, ..."""
    return 1 + samples // HOP
