"""Functionals of an utterance, the input of the SVM: a fixed number of statistics, whatever its length."""

import functools
from collections.abc import Callable

import numpy as np

from ser.core.constants import SAMPLE_RATE

WIDTHS = {"egemaps": 88, "level-duration": 2}


@functools.cache
def extractor(features: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from a float32 waveform at 16 kHz, (samples,), to its functionals, float32, (width,).

    `egemaps` is eGeMAPS v02 (https://doi.org/10.1109/TAFFC.2015.2457417) as extracted by openSMILE.
    """
    return _egemaps() if features == "egemaps" else level_and_duration


def level_and_duration(waveform: np.ndarray) -> np.ndarray:
    """Return the root mean square in dB relative to full scale, and the duration in seconds."""
    power = max(np.mean(np.square(waveform, dtype=np.float64)), 1e-10)
    return np.array([10 * np.log10(power), len(waveform) / SAMPLE_RATE], np.float32)


def _egemaps() -> Callable[[np.ndarray], np.ndarray]:
    import opensmile  # slow to import, and only needed for these functionals

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    return lambda waveform: smile.process_signal(waveform, SAMPLE_RATE).to_numpy(np.float32)[0]
