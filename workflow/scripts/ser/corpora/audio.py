"""Decoding of recordings to 16 kHz mono, and trimming of silence."""

import io
import re

import numpy as np
import soundfile
import soxr

from ser.core.constants import SAMPLE_RATE
from ser.core.errors import CONVERT, UserError
from ser.corpora.audio_array import as_float

SHORTEST = 400  # samples: one 25 ms window, the shortest input from which any feature extractor makes a frame
SILENCE = 10 ** (-70 / 20)  # level below which a recording is silent: -70 dB of full scale, without its mean
FRAME, HOP = 400, 160  # samples: 25 ms and 10 ms, of the frames whose levels are compared
MAX_MISSING = 0.01  # seconds by which a recording may be shorter or longer than its header says
MIN_RATE, MAX_RATE = 4_000, 768_000  # Hz
MAX_PEAK = 2.0  # of floating-point samples, which are clipped at 1; larger values are not in the range -1 to 1
BLOCK = 1 << 20  # frames decoded at once
AUDIBLE = 10 ** (-30 / 20)  # a channel with a level below this share of the loudest is dead
CONTAINERS = ("WAV", "WAVEX", "FLAC", "MP3", "OGG", "AIFF")  # by libsndfile's names; OGG is Vorbis or Opus
UNKNOWN_FRAMES = 1 << 36  # frame counts from here on mean that the header has no length
UNKNOWN_BYTES = 0x7FFFF000  # sizes from here on mean "unknown" in the headers of streams, as SoX and ffmpeg write them
STREAM_START = {
    "OGG": rb"OggS\x00\x02",
    "FLAC": rb"fLaC[\x00\x80]\x00\x00\x22",
    "MP3": rb"(?:Xing|Info)\x00\x00\x00[\x01\x03\x05\x07\x09\x0B\x0D\x0F]|VBRI\x00\x01",  # with the number of frames
}
LFS_POINTER = b"version https://git-lfs"  # begins a file that stands for one that was not fetched


def decode(content: bytes, name: str) -> np.ndarray:
    """Decode WAV, FLAC, MP3, Ogg (Vorbis, Opus) or AIFF to 16 kHz mono, with libsndfile.

    Takes the first channel with sound, since the mean of EMOVO's two microphones would comb-filter, and resamples
    with soxr's HQ filter, librosa's default.

    Returns int16 of shape (samples,). Raises `UserError`, naming the file, if it cannot be decoded, is of another
    container, is shorter or longer than its header says, has no length there, is empty, silent or shorter than 25 ms,
    contains NaN or infinity, or is far beyond full scale.
    """
    if content.startswith(LFS_POINTER):
        raise UserError(
            f"{name} is a pointer of Git LFS, not the recording. Run `git lfs pull` in its repository,"
            " and copy it again."
        )
    if not content:
        raise UserError(f"{name} is empty (0 bytes): copy it again, or leave it out")
    try:
        channels, rate, floating = _read_checked(content, name)
    except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError) as error:
        problem = getattr(error, "error_string", error)  # without the address of the bytes that were read
        raise UserError(f"{name} cannot be read as audio ({problem}): it is damaged or in an unknown format") from error
    waveform = first_live_channel(channels, rate)
    if not np.isfinite(waveform).all():
        raise UserError(f"{name} contains samples that are NaN or infinite")
    if floating and (peak := np.abs(waveform).max()) > MAX_PEAK:
        raise UserError(f"{name} contains samples up to {peak:.3g}: floating-point audio must lie between -1 and 1")
    if rate != SAMPLE_RATE:
        waveform = soxr.resample(waveform, rate, SAMPLE_RATE, quality="HQ")
    if len(waveform) < SHORTEST:
        raise UserError(f"{name} is only {len(waveform) / SAMPLE_RATE * 1000:.0f} ms long; at least 25 ms are needed")
    if is_silent(waveform):
        raise UserError(f"{name} is silent: its level is below -70 dB of full scale")
    return np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)


def first_live_channel(channels: np.ndarray, rate: int) -> np.ndarray:
    """Return the first channel whose level is within 30 dB of the loudest.

    The level is that of the loud parts, the 98th percentile over frames of 25 ms without their mean, so that neither a
    click nor a drift counts.

    Args:
        channels: (samples, channels).
    """
    if channels.shape[1] == 1:
        return channels[:, 0]
    frame = max(1, min(rate // 40, len(channels)))
    frames = channels[: len(channels) // frame * frame].reshape(-1, frame, channels.shape[1])
    levels = np.nan_to_num(np.quantile(frames.std(axis=1), 0.98, axis=0))
    return channels[:, np.argmax(levels >= AUDIBLE * levels.max())]


def is_silent(waveform: np.ndarray) -> bool:
    """Return whether a waveform, float or int16, has a level below -70 dB of full scale."""
    return np.std(waveform, dtype=np.float64) < SILENCE * (32768 if waveform.dtype == np.int16 else 1)


def loud_frames(waveform: np.ndarray, db: float) -> np.ndarray:
    """Return whether the level of each frame is at most `db` below that of the loudest: bool, shape (frames,).

    Frames of 25 ms are centred on samples 0, 160, 320, ... (10 ms). The level is the root mean square after the frame's
    mean is subtracted, so that a constant offset does not count.

    Args:
        waveform: int16, shape (samples,).
    """
    padded = np.pad(as_float(waveform), FRAME // 2, mode="reflect")
    power = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP].var(axis=1)
    return power >= power.max() * 10 ** (-db / 10)


def trim_silence(waveform: np.ndarray, db: float) -> np.ndarray:
    """Return a waveform without leading and trailing frames more than `db` below its loudest, as a view.

    Cuts where `librosa.effects.trim` does with frames of 25 ms and a hop of 10 ms, but pads the ends by reflection,
    does not count a constant offset, and leaves at least 25 ms.
    """
    loud = np.flatnonzero(loud_frames(waveform, db))
    start = max(0, min(loud[0] * HOP, len(waveform) - SHORTEST))
    return waveform[start : max((loud[-1] + 1) * HOP, start + SHORTEST)]


def _read_checked(content: bytes, name: str) -> tuple[np.ndarray, int, bool]:
    """Return a recording as (samples, channels), its sample rate, and whether its samples are floating-point.

    Raises `UserError` if it is in another container, is empty, or differs from its header in its length.
    """
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        container, rate, frames, report = file.format, file.samplerate, file.frames, file.extra_info
        if container not in CONTAINERS:
            raise UserError(f"{name} is in the container {file.format_info}, which is not supported. {CONVERT}")
        if not MIN_RATE <= rate <= MAX_RATE:
            raise UserError(f"{name} has a sample rate of {rate} Hz in its header: it is damaged")
        streams = len(re.findall(STREAM_START.get(container, b"^"), content))
        # libsndfile estimates the length of an MP3 without one, and stops there
        if (container == "FLAC" and frames >= UNKNOWN_FRAMES) or not streams:
            raise UserError(f"{name} has no length in its header, as if it was written to a pipe. {CONVERT}")
        if streams > 1:
            raise UserError(f"{name} contains several streams, of which only the first would be read. {CONVERT}")
        channels = _read_to_end(file)
    _check_length(content, name, container, len(channels), frames, rate, report)
    if not channels.size:
        raise UserError(f"{name} contains no audio")
    return channels, rate, file.subtype in ("FLOAT", "DOUBLE")


def _check_length(content: bytes, name: str, container: str, read: int, frames: int, rate: int, report: str) -> None:
    """Raise `UserError` if a file holds more or less audio than its header says.

    Args:
        read: frames that were decoded.
        frames: frames according to the header.
        report: libsndfile's log of the file.
    """
    expected = frames if frames < UNKNOWN_FRAMES else 0
    missing = max((expected - read) / rate, _missing_seconds(report, read / rate))
    if missing > MAX_MISSING:
        raise UserError(f"{name} is cut short: it is {missing:.1f} s shorter than its header says")
    if _bytes_after_audio(report, content) > MAX_MISSING * rate:
        raise UserError(f"{name} contains more audio than its header says. {CONVERT}")
    if container == "OGG" and not content[content.rfind(b"OggS") + 5] & 4:  # the flag of a stream's last page
        raise UserError(f"{name} is cut short: its last page is missing")


def _read_to_end(file: soundfile.SoundFile) -> np.ndarray:
    """Read (samples, channels) to the end, whatever the header says of the length.

    A short block is the last one: after it soundfile seeks, and would read the end again.
    """
    blocks = [file.read(BLOCK, dtype="float32", always_2d=True)]
    while len(blocks[-1]) == BLOCK:
        blocks.append(file.read(BLOCK, dtype="float32", always_2d=True))
    return np.concatenate(blocks)


def _missing_seconds(report: str, seconds: float) -> float:
    """Return how many seconds are missing according to the header of a WAV or AIFF.

    libsndfile only logs this. Placeholder sizes, as in streams, do not count.

    Args:
        report: libsndfile's log of the file, with `data : 32000 (should be 15978)` if it is cut short.
        seconds: decoded duration.
    """
    found = re.search(r"(?:data|SSND) *: (\d+) \(should be (\d+)\)", report)
    expected, present = map(int, found.groups()) if found else (0, 0)
    if present >= expected or expected >= UNKNOWN_BYTES:
        return 0.0
    return seconds * (expected - present) / max(1, present)


def _bytes_after_audio(report: str, content: bytes) -> int:
    """Return how many bytes after the audio of a WAV or AIFF are no chunk, according to libsndfile's log."""
    found = re.search(r"Unknown chunk marker.* at position (\d+)", report)
    return len(content) - int(found[1]) if found else 0
