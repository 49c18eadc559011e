"""Noise mixing at an exact SNR, independent of the order."""

from collections import Counter

import numpy as np
import pytest
from conftest import real_rows

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.corpora import noise
from ser.demo import noise as demo_noise
from ser.demo.writing import write_archive

ENVIRONMENTS = ["DKITCHEN", "NPARK", "PSTATION", "STRAFFIC", "PCAFETER"]


@pytest.fixture(scope="module")
def noises():
    return {environment: demo_noise.recording(environment) for environment in ENVIRONMENTS}


def speech(level, samples=24_000):
    rng = np.random.default_rng()
    envelope = np.abs(np.sin(np.arange(samples) / 2_000))
    return np.clip(np.rint(rng.standard_normal(samples) * envelope * level), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("snr_db", [-5, 0, 10, 30])
@pytest.mark.parametrize("level", [40, 1_000, 30_000])
def test_snr_of_the_written_mixture(noises, level, snr_db):
    clean = speech(level)
    mixture = noise.mix_at_snr("utterance", clean, noises["NPARK"], snr_db)
    assert mixture.samples.dtype == np.int16
    added = mixture.samples - mixture.gain * clean.astype(float)
    measured = 10 * np.log10(np.var(mixture.gain * clean.astype(float)) / np.var(added))
    assert measured == pytest.approx(snr_db, abs=0.01)
    assert mixture.snr_db == pytest.approx(measured, abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_snr_is_reached_where_rounding_makes_it_jump(seed):
    """Quiet noise with a gain of about 1 and a mean between two integers is rounded alike in every sample."""
    rng = np.random.default_rng(seed)
    segment = np.rint(rng.standard_normal(8_000) * 20)
    segment[rng.permutation(8_000)[: round(abs(0.5 - segment.mean()) * 8_000)]] += np.sign(0.5 - segment.mean())
    clean = np.rint(rng.standard_normal(8_000) * 20 * 10**0.5).astype(np.int16)
    mixture = noise.mix_at_snr("utterance", clean, segment.astype(np.int16), 10)
    assert mixture.snr_db == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize("offset", [0, 1_000, -3_000])
def test_constant_offset_counts_neither_as_speech_nor_as_noise(noises, offset):
    clean = speech(3_000) // 4
    without = noise.mix_at_snr("utterance", clean, noises["NPARK"], 10)
    shifted = noise.mix_at_snr("utterance", clean + np.int16(offset), noises["NPARK"] + np.int16(offset // 10), 10)
    assert shifted.snr_db == pytest.approx(10, abs=0.01)
    audible = [(one.samples - one.samples.mean()) / one.gain for one in (without, shifted)]
    assert np.abs(audible[0] - audible[1]).max() < 3


def test_mixture_is_attenuated_only_to_avoid_clipping(noises):
    loud = noise.mix_at_snr("loud", speech(30_000), noises["DKITCHEN"], 0)
    assert np.abs(loud.samples.astype(int)).max() <= 32767
    assert loud.gain < 1
    assert noise.mix_at_snr("quiet", speech(500), noises["DKITCHEN"], 10).gain == 1


def test_noise_segment_depends_only_on_the_name(noises):
    clean = speech(1_000)
    first = noise.mix_at_snr("a", clean, noises["NPARK"], 10)
    noise.mix_at_snr("b", clean, noises["NPARK"], 10)
    again = noise.mix_at_snr("a", clean, noises["NPARK"], 10)
    np.testing.assert_array_equal(first.samples, again.samples)
    draws = [noise.mix_at_snr(f"utterance {i}", clean[:2000], noises["NPARK"], 10) for i in range(500)]
    assert len({draw.offset for draw in draws}) > 450


@pytest.mark.parametrize("corpus", ["EMODB-420", "EMODB-339", "EMOVO", "URDU", "IEMOCAP"])
def test_environments_are_balanced_within_each_emotion(corpus):
    rows = real_rows(corpus)
    chosen = noise.choose_environments(rows, ENVIRONMENTS)
    assert noise.choose_environments(rows[::-1], ENVIRONMENTS) == chosen
    for emotion in (*EMOTIONS, None):
        counts = Counter(chosen[row["utterance"]] for row in rows if emotion in (None, row["emotion"]))
        assert set(counts) == set(ENVIRONMENTS)
        assert max(counts.values()) - min(counts.values()) <= 1
    assert [chosen[row["utterance"]] for row in rows[:20]] != (ENVIRONMENTS * 4)[:20]  # not in the order of names


def test_short_noise_is_repeated(noises):
    mixture = noise.mix_at_snr("long", speech(1_000), noises["NPARK"][:5_000], 10)
    assert len(mixture.samples) == 24_000
    assert mixture.snr_db == pytest.approx(10, abs=0.01)


def test_too_quiet_utterance_is_rejected(noises):
    with pytest.raises(UserError, match=r"utterance faint is too quiet .* 40 dB"):
        noise.mix_at_snr("faint", speech(5), noises["NPARK"], 40)


def test_silent_noise_is_rejected():
    with pytest.raises(UserError, match="the noise is silent from sample 0 on, in the segment for utterance a"):
        noise.mix_at_snr("a", speech(1_000), np.zeros(24_000, np.int16), 10)


def test_environment_is_read_by_name(tmp_path):
    write_archive(tmp_path / "NPARK_16k.zip", demo_noise.environment_members("NPARK"))
    np.testing.assert_array_equal(
        noise.read_environment(tmp_path / "NPARK_16k.zip", "NPARK"), demo_noise.recording("NPARK")
    )
    (tmp_path / "ch01.wav").write_bytes(demo_noise.environment_members("NPARK")[0][1])
    np.testing.assert_array_equal(noise.read_environment(tmp_path / "ch01.wav", "NPARK"), demo_noise.recording("NPARK"))
    with pytest.raises(UserError, match="is not DEMAND's archive of DKITCHEN"):
        noise.read_environment(tmp_path / "NPARK_16k.zip", "DKITCHEN")
