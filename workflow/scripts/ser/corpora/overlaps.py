"""Detection of utterances that overlap: they contain the same stretch of sound.

The method follows Haitsma and Kalker, "A highly robust audio fingerprinting system" (ISMIR 2002). Every 10 ms, a
32-bit word encodes where energy rises over neighbouring bands and frames. Words shared at one lag make a pair a
candidate, and the correlation of the waveforms at that lag decides. Copies are found even if they were cut
differently, dithered, resampled or amplified. The cost grows with the amount of audio, not with the number of
pairs.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.fft import rfft
from scipy.signal import butter, correlate, sosfiltfilt

from ser.core.constants import SAMPLE_RATE

HOP = 160  # samples: 10 ms
WINDOW = 2048  # samples: 128 ms, long enough that a shift of half a hop changes little
TAPER = np.hanning(WINDOW).astype(np.float32)
BAND_EDGES = np.round(np.geomspace(300, 3000, 34) * WINDOW / SAMPLE_RATE).astype(int)  # FFT bins of 33 bands
SILENT_ENERGY = 5e5  # of a frame in which only the last bit of int16 varies
MAX_OCCURRENCES = 20  # words in more frames are ignored: they are uninformative, such as those of silence
MIN_SHARED_WORDS = 2  # at one lag (± 1 frame), for a candidate
MIN_OVERLAP = 0.5  # seconds
PASSAGE = SAMPLE_RATE  # samples: 1 s, compared separately if two utterances differ over the whole overlap
MAX_SHIFT = 2 * HOP  # samples between a candidate's lag and the exact lag
MIN_CORRELATION = 0.95  # of two copies of a recording; different speech stays below 0.7
# Below 2 kHz the subsample shift of a resampled copy changes little; above 50 Hz there is no DC offset.
SPEECH_BAND = butter(4, (50, 2_000), "bandpass", fs=SAMPLE_RATE, output="sos")


@dataclass(frozen=True, order=True)
class Overlap:
    """Pair of utterances that share audio.

    They share `seconds`, and `other` starts `lag` seconds after `utterance`.
    """

    utterance: str
    other: str
    lag: float
    seconds: float
    correlation: float


def find_overlaps(utterances: Sequence[str], waveforms: Sequence[np.ndarray]) -> list[Overlap]:
    """Find the pairs of utterances that overlap.

    A pair matches over its whole overlap, of at least 0.5 s, or in a passage of 1 s, compared every 0.25 s. The
    result is sorted. Identical copies are all linked; of more than 20 copies that differ slightly, some may be missed.

    Args:
        waveforms: int16, shape (samples,), one per utterance.
    """
    found, index = [], {utterance: i for i, utterance in enumerate(utterances)}
    fingerprints = [fingerprint(waveform) for waveform in waveforms]
    for names in exact_duplicates(utterances, waveforms):
        seconds = len(waveforms[index[names[0]]]) / SAMPLE_RATE
        found += [Overlap(names[0], other, 0.0, seconds, 1.0) for other in names[1:]]
        for other in names[1:]:  # already linked, so one copy suffices for the search
            fingerprints[index[other]] = np.zeros(0, np.uint32)
    for first, second, lag in _find_candidates(fingerprints):
        if overlap := _verify(waveforms[first], waveforms[second], lag * HOP):
            exact_lag, shared, correlation = overlap
            (start, name), (later, other) = sorted([(0, utterances[first]), (exact_lag, utterances[second])])
            lag_in_seconds = (later - start) / SAMPLE_RATE
            found.append(Overlap(name, other, lag_in_seconds, shared / SAMPLE_RATE, round(correlation, 4)))
    return sorted(found)


def exact_duplicates(utterances: Sequence[str], waveforms: Sequence[np.ndarray]) -> list[list[str]]:
    """Return sorted groups of utterances whose audio is identical sample for sample."""
    by_content = defaultdict(list)
    for utterance, waveform in zip(utterances, waveforms, strict=True):
        by_content[hashlib.sha256(np.ascontiguousarray(waveform)).digest()].append(utterance)
    return sorted(sorted(names) for names in by_content.values() if len(names) > 1)


def fingerprint(waveform: np.ndarray) -> np.ndarray:
    """Return a 32-bit word every 10 ms: uint32, shape (frames,), 0 in silence."""
    if len(waveform) < WINDOW + HOP:
        return np.zeros(0, np.uint32)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, WINDOW)[::HOP]
    spectrum = rfft(frames * TAPER, axis=1)[:, BAND_EDGES[0] : BAND_EDGES[-1]]
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    energy = np.add.reduceat(power, BAND_EDGES[:-1] - BAND_EDGES[0], axis=1)
    rises = np.diff(np.diff(energy, axis=1), axis=0) > 0
    words = np.packbits(rises, axis=1).view(np.uint32)[:, 0]
    return np.where(energy[1:].sum(axis=1) > SILENT_ENERGY, words, 0)


def _find_candidates(fingerprints: Sequence[np.ndarray]) -> list[tuple[int, int, int]]:
    """Return pairs of indices that share several words, and their lag in frames."""
    words = np.concatenate(fingerprints)
    owners = np.repeat(np.arange(len(fingerprints)), [len(words) for words in fingerprints])
    frames = np.concatenate([np.arange(len(words)) for words in fingerprints])
    audible = words != 0
    order = np.argsort(words[audible], kind="stable")
    words, owners, frames = words[audible][order], owners[audible][order], frames[audible][order]
    _, counts = np.unique(words, return_counts=True)
    rare = np.repeat(counts <= MAX_OCCURRENCES, counts)
    hits = []
    for step in range(1, MAX_OCCURRENCES):
        same = np.flatnonzero((words[:-step] == words[step:]) & rare[step:] & (owners[:-step] != owners[step:]))
        hits.append(np.stack([owners[same], owners[same + step], frames[same] - frames[same + step]], axis=1))
    hits = np.concatenate(hits)
    # sorted by word and then by owner, so the first owner is always the smaller
    pairs, counts = np.unique(hits, axis=0, return_counts=True)
    return _best_lags(pairs, counts)


def _best_lags(pairs: np.ndarray, counts: np.ndarray) -> list[tuple[int, int, int]]:
    """Return the lag of each pair with the most shared words, if there are enough.

    Words at the two neighbouring lags count too.
    """
    shared = {tuple(pair): int(count) for pair, count in zip(pairs.tolist(), counts, strict=True)}
    best: dict[tuple[int, int], tuple[int, int]] = {}
    for (first, second, lag), count in shared.items():
        total = count + shared.get((first, second, lag - 1), 0) + shared.get((first, second, lag + 1), 0)
        if total >= MIN_SHARED_WORDS:
            best[first, second] = max(best.get((first, second), (0, 0)), (total, lag))
    return [(first, second, lag) for (first, second), (_, lag) in sorted(best.items())]


def _verify(first: np.ndarray, second: np.ndarray, lag: int) -> tuple[int, int, float] | None:
    """Compare two waveforms within two frames of a lag.

    Compares the whole overlap first, then passages of it.

    Returns the exact lag in samples, the number of shared samples and the correlation; None if they do not match.
    """
    start, end = max(0, lag), min(len(first), lag + len(second))
    if end - start < MIN_OVERLAP * SAMPLE_RATE:
        return None
    fixed = sosfiltfilt(SPEECH_BAND, second[start - lag : end - lag])
    padded = np.zeros(end - start + 2 * MAX_SHIFT)
    low, high = max(0, start - MAX_SHIFT), min(len(first), end + MAX_SHIFT)
    padded[low - start + MAX_SHIFT : high - start + MAX_SHIFT] = sosfiltfilt(SPEECH_BAND, first[low:high])
    shift, correlation = _best_shift(padded, fixed)
    if abs(correlation) >= MIN_CORRELATION:
        return lag + shift, len(fixed), correlation
    starts = range(0, len(fixed) - PASSAGE + 1, PASSAGE // 4)
    passages = [_best_shift(padded[at : at + PASSAGE + 2 * MAX_SHIFT], fixed[at : at + PASSAGE]) for at in starts]
    matches = [(at, shift, r) for at, (shift, r) in zip(starts, passages, strict=True) if abs(r) >= MIN_CORRELATION]
    if not matches:
        return None
    _, shift, correlation = max(matches, key=lambda passage: abs(passage[2]))
    return lag + shift, matches[-1][0] + PASSAGE - matches[0][0], correlation


def _best_shift(padded: np.ndarray, fixed: np.ndarray) -> tuple[int, float]:
    """Return the shift with the largest absolute correlation, and the correlation."""
    products = correlate(padded, fixed, mode="valid")
    power = np.convolve(np.square(padded), np.ones(len(fixed)), mode="valid")
    scores = products / np.sqrt(np.maximum(power * np.square(fixed).sum(), 1))
    best = int(np.abs(scores).argmax())
    return best - MAX_SHIFT, float(scores[best])
