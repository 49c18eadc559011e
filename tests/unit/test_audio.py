"""Decoding of recordings: formats, channels and damaged audio."""

import io

import librosa
import numpy as np
import pytest
import soundfile
from conftest import wav_bytes

from ser.core.errors import UserError
from ser.corpora import audio, audio_array


def tone(samples: int) -> np.ndarray:
    return 0.5 * np.sin(np.arange(samples) / 7)


def noise(samples: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.5, 0.5, samples)


def encode(wave, container, **options) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, 16_000, format=container, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("rate", "subtype"), [(16_000, "PCM_U8"), (44_100, "PCM_16"), (48_000, "PCM_24"), (96_000, "FLOAT")]
)
def test_sample_formats_and_rates(rate, subtype):
    time = np.arange(rate) / rate
    wave = 0.4 * np.sin(2 * np.pi * 330 * time)
    samples = audio.decode(wav_bytes(wave, rate, subtype=subtype), "tone")
    assert abs(len(samples) - 16_000) <= 1
    expected = 0.4 * np.sin(2 * np.pi * 330 * np.arange(len(samples)) / 16_000)
    error = audio_array.as_float(samples)[400:-400] - expected[400:-400]
    assert np.abs(error).max() < (0.02 if subtype == "PCM_U8" else 0.002)


def test_first_channel_is_used():
    left = 0.4 * np.sin(2 * np.pi * 330 * np.arange(16_000) / 16_000)
    both = np.stack([left, np.roll(left, 8)], axis=1)
    alone = audio.decode(wav_bytes(left, subtype="PCM_16"), "mono")
    np.testing.assert_array_equal(audio.decode(wav_bytes(both, subtype="PCM_16"), "stereo"), alone)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_truncated_wav_is_rejected(subtype):
    wav = wav_bytes(tone(16_000), subtype=subtype)
    with pytest.raises(UserError, match=r"b\.wav is cut short: it is 0\.\d s shorter than its header says"):
        audio.decode(wav[: len(wav) * 2 // 3], "b.wav")
    assert len(audio.decode(wav[:-100], "b.wav")) >= 15_900  # a loss of some bytes is tolerated


def test_truncated_flac_is_rejected():
    content = encode(noise(48_000), "FLAC")
    with pytest.raises(UserError, match=r"b\.flac (is cut short|cannot be read as audio)"):
        audio.decode(content[: len(content) // 2], "b.flac")


@pytest.mark.parametrize(
    ("options", "magic"),
    [
        ({"container": "WAV", "subtype": "PCM_16", "endian": "BIG"}, "RIFX"),
        ({"container": "AIFF", "subtype": "PCM_24"}, "FORM"),
    ],
)
def test_truncation_that_libsndfile_ignores_is_rejected(options, magic):
    content = encode(tone(16_000), **options)
    assert content.startswith(magic.encode())
    assert len(audio.decode(content, "a")) == 16_000
    with pytest.raises(UserError, match=r"b is cut short: it is 0\.\d s shorter than its header says"):
        audio.decode(content[: len(content) // 2], "b")


def test_flac_stream_of_unknown_length_is_rejected():
    flac = bytearray(encode(noise(48_000), "FLAC"))
    flac[21] &= 0xF0  # the number of samples in STREAMINFO, 36 bits
    flac[22:26] = bytes(4)
    with pytest.raises(UserError, match=r"stream has no length in its header.* Convert it to WAV or FLAC\."):
        audio.decode(bytes(flac), "stream")


def test_samples_beyond_full_scale_are_clipped_or_rejected():
    wave = np.random.default_rng(1).uniform(-1, 1, 16_000)
    assert np.abs(audio.decode(wav_bytes(1.5 * wave, subtype="FLOAT"), "loud")).max() == 32767
    for scale in (32768, 1e38):
        with pytest.raises(UserError, match=r"a contains samples up to .*between -1 and 1"):
            audio.decode(wav_bytes(scale * wave, 44_100, subtype="FLOAT"), "a")


def test_impossible_sampling_rate_is_rejected():
    wav = bytearray(wav_bytes(tone(16_000), subtype="PCM_16"))
    wav[24:28] = (100).to_bytes(4, "little")
    with pytest.raises(UserError, match="has a sample rate of 100 Hz in its header"):
        audio.decode(bytes(wav), "a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"RIFF....WAVEnonsense", "cannot be read as audio"),
        (bytes(range(256)) * 100, "cannot be read as audio"),
        (wav_bytes(np.zeros(0)), "contains no audio"),
        (wav_bytes(np.zeros(16_000)), "silent"),
        (wav_bytes(np.full(16_000, np.nan), subtype="FLOAT"), "NaN or infinite"),
        (wav_bytes(tone(100)), "only 6 ms long"),
    ],
    ids=["zero-length", "nonsense", "headerless", "no-samples", "silent", "nan", "too-short"],
)
def test_unusable_recordings_are_rejected(content, message):
    with pytest.raises(UserError, match=rf"a\.zip: b\.wav .*{message}"):
        audio.decode(content, "a.zip: b.wav")


VARIABLE_MP3 = {"subtype": "MPEG_LAYER_III", "bitrate_mode": "VARIABLE", "compression_level": 0.5}


class TestLength:
    """Comparison of the length in a header with the contents, in both directions."""

    @pytest.fixture(scope="class")
    @classmethod
    def mp3(cls):
        """Return 20 s of which the first frames need many more bits than the others, so that an estimate is far off."""
        noise = np.random.default_rng(1).standard_normal(320_000)
        return encode(np.where(np.arange(320_000) < 64_000, 0.1, 0.002) * noise, "MP3", **VARIABLE_MP3)

    def test_mp3_without_a_length_is_rejected(self, mp3):
        """Without its first frame, which has the length and no audio, libsndfile would stop early."""
        assert len(audio.decode(mp3, "whole")) == 320_000
        sync = mp3[:2]
        with pytest.raises(UserError, match=r"a has no length in its header, .*\. Convert it"):
            audio.decode(mp3[mp3.find(sync, mp3.find(sync) + 4) :], "a")

    def test_mp3_of_constant_bitrate_is_decoded_as_by_libsndfile(self):
        content = encode(tone(48_000), "MP3", subtype="MPEG_LAYER_III", bitrate_mode="CONSTANT")
        expected, _ = soundfile.read(io.BytesIO(content), dtype="float32")
        np.testing.assert_allclose(audio.decode(content, "a"), expected * 32768, atol=2)

    @pytest.mark.parametrize("size", [100, 60_000])
    def test_mp3_with_a_tag(self, mp3, size):
        """Cover art makes tags long; a title may hold the word by which the length is found."""
        length = bytes((size >> shift) & 127 for shift in (21, 14, 7, 0))
        tag = b"ID3\3\0\0" + length + b"TIT2 Info".ljust(size, b"\0")
        assert len(audio.decode(tag + mp3, "a")) == 320_000

    def test_ogg_with_a_damaged_page_is_rejected(self):
        ogg = bytearray(encode(noise(160_000), "OGG", subtype="OPUS"))
        ogg[len(ogg) // 2] ^= 255
        with pytest.raises(UserError, match=r"a (is cut short|cannot be read)"):
            audio.decode(bytes(ogg), "a")

    @pytest.mark.parametrize("size", [0, 8_000, 8_001, 63_000])
    def test_wav_with_more_audio_than_its_header_says_is_rejected(self, size):
        wav = bytearray(encode(noise(32_000), "WAV", subtype="PCM_16"))
        wav[40:44] = size.to_bytes(4, "little")
        with pytest.raises(UserError, match=r"a\.wav contains more audio than its header says\. Convert it"):
            audio.decode(bytes(wav), "a.wav")

    @pytest.mark.parametrize("size", [0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF])
    def test_wav_from_a_pipe_is_read_to_its_end(self, size):
        """SoX, libsndfile and ffmpeg write these sizes if they cannot go back to the header."""
        wav = bytearray(encode(tone(32_000), "WAV", subtype="PCM_16"))
        wav[4:8], wav[40:44] = min(size + 36, 0xFFFFFFFF).to_bytes(4, "little"), size.to_bytes(4, "little")
        assert len(audio.decode(bytes(wav), "a.wav")) == 32_000

    @pytest.mark.parametrize("chunk", [b"LIST\4\0\0\0INFO", b"id3 \4\0\0\0ID3 ", bytes(1_000)])
    def test_other_chunks_after_the_audio_are_allowed(self, chunk):
        assert len(audio.decode(encode(tone(32_000), "WAV", subtype="PCM_16") + chunk, "a.wav")) == 32_000

    def test_aiff_with_more_audio_than_its_header_says_is_rejected(self):
        aiff = bytearray(encode(noise(32_000), "AIFF", subtype="PCM_16"))
        at = aiff.find(b"SSND") + 4
        aiff[at : at + 4] = (8_008).to_bytes(4, "big")
        with pytest.raises(UserError, match="contains more audio than its header says"):
            audio.decode(bytes(aiff), "a")

    def test_flac_shorter_than_its_header_says_is_rejected(self):
        flac = bytearray(encode(noise(32_000), "FLAC"))
        flac[22:26] = (40_000).to_bytes(4, "big")
        with pytest.raises(UserError, match=r"is cut short|cannot be read as audio"):
            audio.decode(bytes(flac), "a")

    @pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
    def test_truncated_ogg_is_rejected(self, subtype):
        ogg = encode(noise(960_000), "OGG", subtype=subtype)
        assert len(audio.decode(ogg, "a")) == 960_000
        with pytest.raises(UserError, match=r"a (is cut short|cannot be read)"):
            audio.decode(ogg[: len(ogg) // 2], "a")

    @pytest.mark.parametrize(
        ("container", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")]
    )
    def test_several_streams_in_one_file_are_rejected(self, container, subtype):
        parts = [encode(tone(16_000), container, subtype=subtype) for _ in range(2)]
        with pytest.raises(UserError, match="a contains several streams, of which only the first would be read"):
            audio.decode(b"".join(parts), "a")

    @pytest.mark.parametrize("container", ["AU", "W64", "CAF", "RF64", "VOC"])
    def test_other_containers_are_rejected(self, container):
        with pytest.raises(UserError, match=r"which is not supported\. Convert it to WAV or FLAC\."):
            audio.decode(encode(tone(16_000), container, subtype="PCM_16"), "a")

    def test_pointer_of_git_lfs_is_named(self):
        with pytest.raises(UserError, match="is a pointer of Git LFS, not the recording"):
            audio.decode(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a.wav")


class TestSilence:
    """Silence is a level below -70 dB of full scale, not digital zero."""

    @pytest.mark.parametrize(
        "wave",
        [
            np.random.default_rng(0).integers(-1, 2, 16_000) / 32768,
            np.full(16_000, 0.05),
            2e-4 * np.sin(np.arange(16_000)),
        ],
        ids=["dither", "offset", "hum"],
    )
    def test_silent_recordings_are_rejected(self, wave):
        with pytest.raises(UserError, match="a is silent: its level is below -70 dB of full scale"):
            audio.decode(wav_bytes(wave), "a")

    def test_quiet_recordings_are_not_silent(self):
        assert len(audio.decode(wav_bytes(1e-3 * np.sin(np.arange(16_000))), "a")) == 16_000

    @pytest.mark.parametrize("dead", [np.zeros(16_000), np.random.default_rng(0).integers(-1, 2, 16_000) / 32768])
    def test_first_channel_with_sound_is_used(self, dead):
        alone = audio.decode(wav_bytes(tone(16_000), subtype="PCM_16"), "mono")
        both = wav_bytes(np.stack([dead, tone(16_000), 0.1 * tone(16_000)], axis=1), subtype="PCM_16")
        np.testing.assert_array_equal(audio.decode(both, "three channels"), alone)

    @pytest.mark.parametrize(
        "dead",
        [
            7e-4 * np.sin(np.arange(32_000) / 50),
            5e-4 * np.random.default_rng(0).standard_normal(32_000),
            np.where(np.arange(32_000) == 9_000, 0.5, 0),
            np.linspace(-0.01, 0.01, 32_000),
        ],
        ids=["hum", "open input", "click", "drift"],
    )
    def test_channel_with_hum_noise_or_a_click_is_dead(self, dead):
        alone = audio.decode(wav_bytes(tone(32_000), subtype="PCM_16"), "mono")
        both = wav_bytes(np.stack([dead, tone(32_000)], axis=1), subtype="PCM_16")
        np.testing.assert_array_equal(audio.decode(both, "stereo"), alone)

    def test_recording_that_is_silent_at_16_khz_is_rejected(self):
        """A tone above the band that is kept."""
        whine = 0.1 * np.sin(2 * np.pi * 15_000 * np.arange(48_000) / 48_000)
        with pytest.raises(UserError, match="is silent"):
            audio.decode(wav_bytes(whine, 48_000), "a")


def test_arrays_are_written_completely(tmp_path):
    pieces = [np.arange(3, dtype=np.int16), np.arange(5, dtype=np.int16)]
    audio_array.write_array(tmp_path / "audio.npy", pieces, 8)
    read = audio_array.open_audio(tmp_path / "audio.npy")
    np.testing.assert_array_equal(read, np.concatenate(pieces))
    rows = [{"start": "0", "samples": "3"}, {"start": "3", "samples": "5"}]
    for piece, waveform in zip(pieces, audio_array.waveforms_of(rows, read), strict=True):
        np.testing.assert_array_equal(waveform, piece)
    with pytest.raises(ValueError, match="8 rows were written, not 9"):
        audio_array.write_array(tmp_path / "other.npy", pieces, 9)
    assert not (tmp_path / "other.npy").exists()


def spoken(samples: int, *, before: int, after: int) -> np.ndarray:
    """Return int16 noise of rising and falling level between silence, 60 dB below."""
    generator = np.random.default_rng(1)
    level = np.pad(np.hanning(samples), (before, after)) + 1e-3
    return (3_000 * level * generator.standard_normal(len(level))).astype(np.int16)


@pytest.mark.parametrize("db", [20, 40])
def test_trimming_equals_that_of_librosa(db):
    waveform = spoken(8_000, before=3_000, after=5_000)
    trimmed = audio.trim_silence(waveform, db)
    _, (start, end) = librosa.effects.trim(audio_array.as_float(waveform), top_db=db, frame_length=400, hop_length=160)
    np.testing.assert_array_equal(trimmed, waveform[start:end])
    assert 5_000 < len(trimmed) < 8_000
    np.testing.assert_array_equal(audio.trim_silence(waveform, 90), waveform)
    np.testing.assert_array_equal(audio.trim_silence(waveform + 2_000, db), trimmed + 2_000)  # a constant offset


def test_trimming_finds_digital_silence_beside_speech_with_an_offset():
    speech = np.full(8_000, 60) + 2_000 * np.sin(np.arange(8_000) / 7)
    waveform = np.pad(speech.astype(np.int16), 4_000)
    assert len(audio.trim_silence(waveform, 40)) < 8_600


@pytest.mark.parametrize("at", [0, 4_000, 7_999])
def test_trimming_leaves_25_ms_of_a_click(at):
    waveform = np.zeros(8_000, np.int16)
    waveform[at] = 30_000
    trimmed = audio.trim_silence(waveform, 40)
    assert audio.SHORTEST <= len(trimmed) < 800
    assert trimmed.max() == 30_000
