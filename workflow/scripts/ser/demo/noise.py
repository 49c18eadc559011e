"""Synthetic noise in DEMAND's layout: coloured and modulated noise with hum."""

import numpy as np

from ser.core.constants import SAMPLE_RATE
from ser.core.seeding import named_generator
from ser.demo.writing import as_wav

SECONDS = 20
# Spectral slope in dB per octave, modulation rate in Hz, hum in Hz (0 for none).
ENVIRONMENTS = {
    "DKITCHEN": (-3, 2.0, 100),
    "NPARK": (-6, 0.2, 0),
    "PSTATION": (-5, 0.7, 50),
    "STRAFFIC": (-9, 0.3, 80),
    "PCAFETER": (-4, 4.0, 0),
}


def environment_members(environment: str) -> list[tuple[str, bytes]]:
    """Return the archive's members: the first channel in the environment's folder."""
    return [(f"{environment}/ch01.wav", as_wav(recording(environment), SAMPLE_RATE))]


def recording(environment: str) -> np.ndarray:
    """Return 20 s of noise: int16, shape (samples,)."""
    slope, modulation, hum = ENVIRONMENTS[environment]
    generator = named_generator("environment", environment)
    samples = SECONDS * SAMPLE_RATE
    spectrum = np.fft.rfft(generator.standard_normal(samples))
    frequencies = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    octaves = np.log2(np.maximum(frequencies, 40) / 40)
    noise = np.fft.irfft(spectrum * 10 ** (slope * octaves / 20), samples)
    noise /= noise.std()
    time = np.arange(samples) / SAMPLE_RATE
    noise *= 1 + 0.5 * np.sin(2 * np.pi * modulation * time + generator.uniform(0, 2 * np.pi))
    if hum:
        noise += 0.5 * np.sin(2 * np.pi * hum * time)
    return np.rint(noise / np.abs(noise).max() * 20_000).astype(np.int16)
