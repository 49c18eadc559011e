"""Decoding of recordings: formats, channels and damaged audio."""

import io

import numpy as np
import pytest
import soundfile
from conftest import wav_bytes

from ser.core.errors import UserError
from ser.corpora import audio


@pytest.mark.parametrize(
    ("rate", "subtype"), [(16_000, "PCM_U8"), (44_100, "PCM_16"), (48_000, "PCM_24"), (96_000, "FLOAT")]
)
def test_sample_formats_and_rates(rate, subtype):
    time = np.arange(rate) / rate
    wave = 0.4 * np.sin(2 * np.pi * 330 * time)
    samples = audio.decode(wav_bytes(wave, rate, subtype=subtype), "tone")
    assert abs(len(samples) - 16_000) <= 1
    expected = 0.4 * np.sin(2 * np.pi * 330 * np.arange(len(samples)) / 16_000)
    error = audio.as_float(samples)[400:-400] - expected[400:-400]
    assert np.abs(error).max() < (0.02 if subtype == "PCM_U8" else 0.002)


def test_first_channel_is_used():
    left = 0.4 * np.sin(2 * np.pi * 330 * np.arange(16_000) / 16_000)
    both = np.stack([left, np.roll(left, 8)], axis=1)
    alone = audio.decode(wav_bytes(left, subtype="PCM_16"), "mono")
    np.testing.assert_array_equal(audio.decode(wav_bytes(both, subtype="PCM_16"), "stereo"), alone)


def test_wav_stream_of_unknown_length():
    wav = bytearray(wav_bytes(np.full(8_000, 0.5), subtype="PCM_16"))
    wav[4:8] = wav[40:44] = b"\xff\xff\xff\xff"
    assert len(audio.decode(bytes(wav), "stream")) == 8_000


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_truncated_wav_is_rejected(subtype):
    wav = wav_bytes(np.full(16_000, 0.5), subtype=subtype)
    with pytest.raises(UserError, match=r"b\.wav is cut short: it is 0\.\d s shorter than its header says"):
        audio.decode(wav[: len(wav) * 2 // 3], "b.wav")
    assert len(audio.decode(wav[:-100], "b.wav")) >= 15_900  # a loss of some bytes is tolerated


def test_truncated_flac_is_rejected():
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(1).uniform(-0.5, 0.5, 48_000), 16_000, format="FLAC")
    content = buffer.getvalue()
    with pytest.raises(UserError, match=r"b\.flac (is cut short|cannot be read as audio)"):
        audio.decode(content[: len(content) // 2], "b.flac")


@pytest.mark.parametrize(
    ("options", "magic"),
    [
        ({"format": "WAV", "subtype": "PCM_16", "endian": "BIG"}, "RIFX"),
        ({"format": "AIFF", "subtype": "PCM_24"}, "FORM"),
    ],
)
def test_truncation_that_libsndfile_ignores_is_rejected(options, magic):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.full(16_000, 0.5), 16_000, **options)
    content = buffer.getvalue()
    assert content.startswith(magic.encode())
    assert len(audio.decode(content, "a")) == 16_000
    with pytest.raises(UserError, match=r"b is cut short: it is 0\.\d s shorter than its header says"):
        audio.decode(content[: len(content) // 2], "b")


def test_flac_stream_of_unknown_length():
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(1).uniform(-0.5, 0.5, 48_000), 16_000, format="FLAC")
    flac = bytearray(buffer.getvalue())
    flac[21] &= 0xF0  # the number of samples in STREAMINFO, 36 bits
    flac[22:26] = bytes(4)
    try:
        assert len(audio.decode(bytes(flac), "stream")) == 48_000
    except UserError as error:
        assert "cannot be read as audio" in str(error)  # noqa: PT017 (libsndfile may be unable to read it)


def test_samples_beyond_full_scale_are_clipped_or_rejected():
    wave = np.random.default_rng(1).uniform(-1, 1, 16_000)
    assert np.abs(audio.decode(wav_bytes(1.5 * wave, subtype="FLOAT"), "loud")).max() == 32767
    for scale in (32768, 1e38):
        with pytest.raises(UserError, match=r"a contains samples up to .*between -1 and 1"):
            audio.decode(wav_bytes(scale * wave, 44_100, subtype="FLOAT"), "a")


def test_impossible_sampling_rate_is_rejected():
    wav = bytearray(wav_bytes(np.full(16_000, 0.5), subtype="PCM_16"))
    wav[24:28] = (100).to_bytes(4, "little")
    with pytest.raises(UserError, match="has a sample rate of 100 Hz in its header"):
        audio.decode(bytes(wav), "a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as audio"),
        (b"RIFF....WAVEnonsense", "cannot be read as audio"),
        (bytes(range(256)) * 100, "cannot be read as audio"),
        (wav_bytes(np.zeros(0)), "contains no audio"),
        (wav_bytes(np.zeros(16_000)), "silent"),
        (wav_bytes(np.full(16_000, np.nan), subtype="FLOAT"), "NaN or infinite"),
        (wav_bytes(np.full(100, 0.5)), "only 6 ms long"),
    ],
    ids=["zero-length", "nonsense", "headerless", "no-samples", "silent", "nan", "too-short"],
)
def test_unusable_recordings_are_rejected(content, message):
    with pytest.raises(UserError, match=rf"a\.zip: b\.wav .*{message}"):
        audio.decode(content, "a.zip: b.wav")


def test_arrays_are_written_completely(tmp_path):
    pieces = [np.arange(3, dtype=np.int16), np.arange(5, dtype=np.int16)]
    audio.write_array(tmp_path / "audio.npy", pieces, 8)
    read = audio.open_audio(tmp_path / "audio.npy")
    np.testing.assert_array_equal(read, np.concatenate(pieces))
    rows = [{"start": "0", "samples": "3"}, {"start": "3", "samples": "5"}]
    for piece, waveform in zip(pieces, audio.waveforms_of(rows, read), strict=True):
        np.testing.assert_array_equal(waveform, piece)
    with pytest.raises(ValueError, match="8 rows were written, not 9"):
        audio.write_array(tmp_path / "other.npy", pieces, 9)
    assert not (tmp_path / "other.npy").exists()
