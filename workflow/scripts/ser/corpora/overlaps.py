"""Pairs of utterances that hold the same recording, wholly or in part: they may not be on two sides of a split.

Found as in Haitsma and Kalker, "A highly robust audio fingerprinting system" (ISMIR 2002): every 10 ms a word of
32 bits says where energy rises, over neighbouring bands and frames. Words shared at one lag make a pair a candidate;
the correlation of the waveforms at that lag decides. So a copy is found although it was cut elsewhere, dithered,
resampled or made louder, and the search grows with the audio, not with the number of pairs.
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
WINDOW = 2048  # samples: 128 ms, so that a shift of half a hop changes little
TAPER = np.hanning(WINDOW).astype(np.float32)
BAND_EDGES = np.round(np.geomspace(300, 3000, 34) * WINDOW / SAMPLE_RATE).astype(int)  # 33 bands, as bins of a spectrum
SILENCE = 5e5  # energy of a frame with nothing but the last bit of int16
COMMON = 20  # utterances' frames that may share a word before it says nothing, such as in silence
SHARED_WORDS = 2  # at one lag, give or take a frame, that make a candidate
SHORTEST = 0.5  # seconds of overlap
PASSAGE = SAMPLE_RATE  # samples: 1 s, of which each is looked at alone where two do not agree all along
REACH = 2 * HOP  # samples that a candidate's lag may be off
SAME = 0.95  # correlation of two waveforms that are one recording; other speech stays below 0.7
# Below 2 kHz a shift by part of a sample, as another rendering has it, changes little; above 50 Hz there is no offset.
SPEECH = butter(4, (50, 2_000), "bandpass", fs=SAMPLE_RATE, output="sos")


@dataclass(frozen=True, order=True)
class Overlap:
    """`other` begins `lag` seconds after `utterance` does, and they share `seconds` of audio."""

    utterance: str
    other: str
    lag: float
    seconds: float
    correlation: float


def find_overlaps(utterances: Sequence[str], waveforms: Sequence[np.ndarray]) -> list[Overlap]:
    """All pairs that are the same for half a second and more where they meet, or for a passage of 1.25 s and more.

    Sorted; of a recording that is there many times, enough pairs to link them all.

    Args:
        waveforms: int16, shape (samples,), one per utterance.
    """
    found, place = [], {utterance: i for i, utterance in enumerate(utterances)}
    fingerprints = [fingerprint(waveform) for waveform in waveforms]
    for names in exact_duplicates(utterances, waveforms):
        seconds = len(waveforms[place[names[0]]]) / SAMPLE_RATE
        found += [Overlap(names[0], other, 0.0, seconds, 1.0) for other in names[1:]]
        for other in names[1:]:  # they are linked; one of them finds what else there is
            fingerprints[place[other]] = np.zeros(0, np.uint32)
    for first, second, lag in _candidates(fingerprints):
        if overlap := _verified(waveforms[first], waveforms[second], lag * HOP):
            exact_lag, shared, correlation = overlap
            (start, name), (later, other) = sorted([(0, utterances[first]), (exact_lag, utterances[second])])
            lag_in_seconds = (later - start) / SAMPLE_RATE
            found.append(Overlap(name, other, lag_in_seconds, shared / SAMPLE_RATE, round(correlation, 4)))
    return sorted(found)


def exact_duplicates(utterances: Sequence[str], waveforms: Sequence[np.ndarray]) -> list[list[str]]:
    """Groups of utterances whose audio is the same, sample for sample, sorted."""
    by_content = defaultdict(list)
    for utterance, waveform in zip(utterances, waveforms, strict=True):
        by_content[hashlib.sha256(np.ascontiguousarray(waveform)).digest()].append(utterance)
    return sorted(sorted(names) for names in by_content.values() if len(names) > 1)


def fingerprint(waveform: np.ndarray) -> np.ndarray:
    """A word of 32 bits every 10 ms: uint32, shape (frames,); 0 where there is nothing to hear."""
    if len(waveform) < WINDOW + HOP:
        return np.zeros(0, np.uint32)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, WINDOW)[::HOP]
    spectrum = rfft(frames * TAPER, axis=1)[:, BAND_EDGES[0] : BAND_EDGES[-1]]
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    energy = np.add.reduceat(power, BAND_EDGES[:-1] - BAND_EDGES[0], axis=1)
    rises = np.diff(np.diff(energy, axis=1), axis=0) > 0
    words = np.packbits(rises, axis=1).view(np.uint32)[:, 0]
    return np.where(energy[1:].sum(axis=1) > SILENCE, words, 0)


def _candidates(fingerprints: Sequence[np.ndarray]) -> list[tuple[int, int, int]]:
    """Pairs of indices, and the frames by which the second begins later, that share several words."""
    words = np.concatenate(fingerprints)
    owners = np.repeat(np.arange(len(fingerprints)), [len(words) for words in fingerprints])
    frames = np.concatenate([np.arange(len(words)) for words in fingerprints])
    telling = words != 0
    order = np.argsort(words[telling], kind="stable")
    words, owners, frames = words[telling][order], owners[telling][order], frames[telling][order]
    _, counts = np.unique(words, return_counts=True)
    rare = np.repeat(counts <= COMMON, counts)
    hits = []
    for step in range(1, COMMON):
        same = np.flatnonzero((words[:-step] == words[step:]) & rare[step:] & (owners[:-step] != owners[step:]))
        hits.append(np.stack([owners[same], owners[same + step], frames[same] - frames[same + step]], axis=1))
    hits = np.concatenate(hits)
    # sorted by word and then by owner, so the first owner is always the smaller
    pairs, votes = np.unique(hits, axis=0, return_counts=True)
    return _peaks(pairs, votes)


def _peaks(pairs: np.ndarray, votes: np.ndarray) -> list[tuple[int, int, int]]:
    """Lags with enough votes, those of the next frames included; of neighbouring lags the one with the most."""
    tally = {tuple(pair): int(count) for pair, count in zip(pairs.tolist(), votes, strict=True)}
    best: dict[tuple[int, int], tuple[int, int]] = {}
    for (first, second, lag), count in tally.items():
        total = count + tally.get((first, second, lag - 1), 0) + tally.get((first, second, lag + 1), 0)
        if total >= SHARED_WORDS:
            best[first, second] = max(best.get((first, second), (0, 0)), (total, lag))
    return [(first, second, lag) for (first, second), (_, lag) in sorted(best.items())]


def _verified(first: np.ndarray, second: np.ndarray, lag: int) -> tuple[int, int, float] | None:
    """Lag in samples, samples shared and correlation, within two frames of a lag; None if they are not the same.

    They may be the same all along where they meet, or for a passage of it.
    """
    start, end = max(0, lag), min(len(first), lag + len(second))
    if end - start < SHORTEST * SAMPLE_RATE:
        return None
    fixed = sosfiltfilt(SPEECH, second[start - lag : end - lag])
    around = np.zeros(end - start + 2 * REACH)
    low, high = max(0, start - REACH), min(len(first), end + REACH)
    around[low - start + REACH : high - start + REACH] = sosfiltfilt(SPEECH, first[low:high])
    shift, correlation = _best_shift(around, fixed)
    if abs(correlation) >= SAME:
        return lag + shift, len(fixed), correlation
    places = range(0, len(fixed) - PASSAGE + 1, PASSAGE // 4)
    passages = [_best_shift(around[at : at + PASSAGE + 2 * REACH], fixed[at : at + PASSAGE]) for at in places]
    same = [(at, shift, r) for at, (shift, r) in zip(places, passages, strict=True) if abs(r) >= SAME]
    if not same:
        return None
    _, shift, correlation = max(same, key=lambda passage: abs(passage[2]))
    return lag + shift, same[-1][0] + PASSAGE - same[0][0], correlation


def _best_shift(around: np.ndarray, fixed: np.ndarray) -> tuple[int, float]:
    """Where within its reach a waveform is most like another, or like its inverse, and their correlation there."""
    products = correlate(around, fixed, mode="valid")
    power = np.convolve(np.square(around), np.ones(len(fixed)), mode="valid")
    scores = products / np.sqrt(np.maximum(power * np.square(fixed).sum(), 1))
    best = int(np.abs(scores).argmax())
    return best - REACH, float(scores[best])
