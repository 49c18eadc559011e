"""Functionals of an utterance, the input of the SVM: a fixed number of statistics, whatever its length."""

import functools
from collections.abc import Callable

import numpy as np

from ser.core.constants import SAMPLE_RATE

WIDTHS = {"egemaps": 88, "level-duration": 2}
LEAST = 960  # samples: 60 ms, the longest window of eGeMAPS; openSMILE fills the functionals of less with NaN


@functools.cache
def extractor(features: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from a float32 waveform at 16 kHz, (samples,), to its functionals, float32, (width,).

    `egemaps` is eGeMAPS v02 (https://doi.org/10.1109/TAFFC.2015.2457417) as extracted by openSMILE; shorter
    waveforms are padded with silence to 60 ms.
    """
    return _egemaps() if features == "egemaps" else level_and_duration


def level_and_duration(waveform: np.ndarray) -> np.ndarray:
    """Return the root mean square in dB relative to full scale, and the duration in seconds."""
    power = max(np.mean(np.square(waveform, dtype=np.float64)), 1e-10)
    return np.array([10 * np.log10(power), len(waveform) / SAMPLE_RATE], np.float32)


def _egemaps() -> Callable[[np.ndarray], np.ndarray]:
    import opensmile  # slow to import, and only needed for these functionals

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)

    def extract(waveform: np.ndarray) -> np.ndarray:
        padded = np.pad(waveform, (0, max(0, LEAST - len(waveform))))
        return smile.process_signal(padded, SAMPLE_RATE).to_numpy(np.float32)[0]

    return extract
