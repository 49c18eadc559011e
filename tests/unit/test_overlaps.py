"""Overlapping recordings of a corpus, and splits that keep them together."""

import numpy as np
import pytest
import soxr
from conftest import named_generator, real_rows

from ser.core.errors import UserError
from ser.corpora import audit, leakage, splits
from ser.corpora.overlaps import exact_duplicates, find_overlaps
from ser.demo.espeak import Espeak, Manner

WORDS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"


@pytest.fixture(scope="module")
def speech():
    """Return English numbers in twelve voices, 60 s, int16 at 16 kHz."""
    espeak = Espeak()
    waveforms = []
    for number in range(12):
        voice = f"en+{'mf'[number % 2]}{number % 4 + 1}"
        text = " ".join(named_generator("words", number).permutation(WORDS.split()))
        samples = espeak.say(text, voice, Manner(rate=150 + 5 * number, pitch=30 + 3 * number, range=50, volume=80))
        waveforms.append(as_int16(soxr.resample(samples.astype(float), espeak.sample_rate, 16_000)))
    return waveforms


def as_int16(samples):
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


def dithered(samples, generator, gain=1.0):
    """Return a recording shifted by part of a sample, scaled, with last-bit noise."""
    spectrum = np.fft.rfft(samples)
    phase = np.exp(-2j * np.pi * generator.uniform(0, 1) * np.arange(len(spectrum)) / len(samples))
    shifted = np.fft.irfft(spectrum * phase, len(samples))
    return as_int16(gain * shifted + generator.uniform(-1, 1, len(samples)))


@pytest.mark.parametrize("seconds", [0.7, 1.0, 2.0])
@pytest.mark.parametrize("gain", [0.3, 1.0])
def test_excerpts_are_found_at_any_position(speech, seconds, gain):
    generator = named_generator("cuts", seconds, gain)
    for number in range(10):
        whole = speech[number]
        start = int(generator.integers(len(whole) - int(seconds * 16_000)))
        excerpt = dithered(whole[start : start + int(seconds * 16_000)], generator, gain)
        (overlap,) = find_overlaps(["whole", "other", "excerpt"], [whole, speech[11], excerpt])
        assert (overlap.utterance, overlap.other) == ("whole", "excerpt")
        assert overlap.lag == pytest.approx(start / 16_000, abs=2 / 16_000)
        assert overlap.seconds == pytest.approx(seconds, abs=0.02)
        assert overlap.correlation > 0.97


def test_overlapping_cuts_of_one_recording_are_found(speech):
    whole = speech[0]
    first, second = whole[:40_000], dithered(whole[24_000:56_000], named_generator("second"))
    (overlap,) = find_overlaps(["b", "a"], [first, second])
    assert (overlap.utterance, overlap.other) == ("b", "a")  # the one that starts earlier comes first
    assert overlap.lag == pytest.approx(1.5, abs=1e-3)
    assert overlap.seconds == pytest.approx(1.0, abs=0.02)


def test_other_speech_silence_and_tones_do_not_overlap(speech):
    tone = as_int16(9_000 * np.sin(np.arange(48_000) / 9))
    quiet = [named_generator("quiet", i).integers(-1, 2, 48_000).astype(np.int16) for i in range(2)]
    waveforms = [
        *speech,
        tone,
        as_int16(9_000 * np.sin(np.arange(48_000) / 7)),
        *quiet,
        np.zeros(48_000, np.int16),
        speech[0][:100],
    ]
    assert find_overlaps([str(i) for i in range(len(waveforms))], waveforms) == []


def test_many_and_short_exact_duplicates_are_found(speech):
    short = speech[0][8_000:9_000]
    waveforms = [*([speech[1]] * 30), short, speech[2], short.copy()]
    names = [f"u{i:02d}" for i in range(len(waveforms))]
    assert exact_duplicates(names, waveforms) == [names[:30], ["u30", "u32"]]
    overlaps = find_overlaps(names, waveforms)
    assert {(o.utterance, o.other) for o in overlaps} >= {("u00", other) for other in names[1:30]} | {("u30", "u32")}
    assert all(o.correlation == 1 and o.lag == 0 for o in overlaps if o.utterance in ("u00", "u30"))


@pytest.mark.parametrize(
    "altered",
    [
        lambda samples: -samples.astype(int),
        lambda samples: 0.3 * np.roll(samples, 5) + 400,
        lambda samples: np.concatenate([samples[:24_000], np.zeros(8_000), samples[24_000:]]),
    ],
    ids=["inverted", "offset", "inserted pause"],
)
def test_altered_copy_is_found(speech, altered):
    (overlap,) = find_overlaps(["a", "b", "c"], [speech[0], as_int16(altered(speech[0])), speech[1]])
    assert (overlap.utterance, overlap.other) in {("a", "b"), ("b", "a")}


def test_shared_passage_is_found(speech):
    passage, copy = speech[0][:40_000], dithered(speech[0][:40_000], named_generator("passage"))
    first = np.concatenate([speech[1][:20_000], passage, speech[2][:20_000]])
    second = np.concatenate([speech[3][:25_000], copy, speech[4][:9_000]])
    (overlap,) = find_overlaps(["a", "b"], [first, second])
    assert overlap.lag == pytest.approx(5_000 / 16_000, abs=1e-3)
    assert overlap.seconds == pytest.approx(2.5, abs=0.5)


def test_altered_copy_of_many_duplicates_is_found(speech):
    names = [f"u{i:02d}" for i in range(25)]
    waveforms = [*([speech[0]] * 24), dithered(speech[0], named_generator("one"))]
    overlaps = find_overlaps(names, waveforms)
    assert {o.other if o.utterance == "u00" else o.utterance for o in overlaps} == set(names[1:])


def pair(one, other, seconds="1.3"):
    return {"utterance": one, "other": other, "seconds": seconds}


class TestSplits:
    """Splits keep overlapping recordings on one side."""

    def test_groups_that_share_a_recording_stay_together(self):
        rows = real_rows("URDU")
        first_of = {
            speaker: next(row["utterance"] for row in rows if row["speaker"] == speaker) for speaker in ("SF1", "SF4")
        }
        overlaps = [pair(first_of["SF1"], first_of["SF4"])]
        separated = 0
        for seed in range(1, 6):
            for split in (splits.source_split, lambda *a: splits.target_split(*a[:3], 50, a[3])):
                roles = split(rows, overlaps, seed, "URDU")
                assert roles[first_of["SF1"]] == roles[first_of["SF4"]]
                leakage.check_no_leak(rows, overlaps, roles, "split.csv")
                roles = split(rows, [], seed, "URDU")
                separated += roles[first_of["SF1"]] != roles[first_of["SF4"]]
        assert separated  # if the overlap is not known, some seeds separate them

    def test_joining_groups_is_transitive(self):
        rows = [{"utterance": f"{g}{i}", "group": g} for g in "abcde" for i in range(2)]
        joined = splits.with_joined_groups(
            rows, [pair("a0", "b1"), pair("c0", "d0"), pair("d1", "b0"), pair("e0", "e1")]
        )
        assert [row["group"] for row in joined] == ["a+b+c+d"] * 8 + ["e"] * 2

    @pytest.mark.parametrize(
        ("roles", "overlaps", "message"),
        [
            ({"a": "train", "b": "dev", "c": "dev"}, [], "speaker 1 is in both train and dev"),
            ({"a": "train", "b": "train", "c": "dev"}, [], "group x is in both train and dev"),
            (
                {"a": "train", "b": "train", "c": "train", "d": "dev"},
                [pair("b", "d")],
                r"b \(train\) and d \(dev\) overlap by 1.30 s",
            ),
            ({"a": "train", "b": "train"}, [], "c, d are in only one of the two"),
            ({"a": "train", "b": "train", "c": "train", "d": "dev", "z": "dev"}, [], "z are in only one of the two"),
        ],
    )
    def test_leaks_are_rejected(self, roles, overlaps, message):
        rows = [
            {"utterance": "a", "speaker": "1", "group": "x"},
            {"utterance": "b", "speaker": "1", "group": "x"},
            {"utterance": "c", "speaker": "2", "group": "x"},
            {"utterance": "d", "speaker": "3", "group": "y"},
        ]
        if len(roles) == 3:
            rows = rows[:3]
        with pytest.raises(UserError, match=rf"split\.csv (leaks: )?.*{message}"):
            leakage.check_no_leak(rows, overlaps, roles, "split.csv")


class TestAudit:
    """Audit of made-up recordings with known values."""

    def test_levels(self):
        square = np.tile(np.array([16384, -16384], np.int16), 500)
        assert audit.level_db(square) == pytest.approx(-6.02, abs=0.01)
        assert audit.level_db(np.zeros(10, np.int16)) == -100
        quiet, quieter = (
            np.concatenate([square] * 8 + [(square * 10 ** (-db / 20)).astype(np.int16)] * 8) for db in (38, 42)
        )
        assert audit.silence_percent(quiet) == pytest.approx(0, abs=1)
        assert audit.silence_percent(quieter) == pytest.approx(50, abs=2)

    def test_clipping_is_a_run_at_full_scale(self):
        loud = np.zeros(100, np.int16)
        loud[10:13] = 32767
        assert not audit.is_clipped(loud)
        loud[13] = -32768
        assert audit.is_clipped(loud)

    def test_report_of_a_small_corpus(self):
        generator = named_generator("small corpus")
        rows, waveforms = [], []
        for speaker, emotion in [("1", "angry"), ("1", "happy"), ("2", "neutral"), ("2", "sad"), ("2", "sad")]:
            rows.append(
                {
                    "utterance": f"u{len(rows)}",
                    "speaker": speaker,
                    "group": speaker,
                    "gender": "female" * (speaker == "1"),
                }
                | {
                    "emotion": emotion,
                    "seconds": "0.5",
                    "start": 8_000 * len(rows),
                    "samples": 8_000,
                }
            )
            waveforms.append(generator.integers(-1_000, 1_000, 8_000).astype(np.int16))
        waveforms[4] = waveforms[3]
        roles = {"u0": "train", "u1": "train", "u2": "dev", "u3": "dev", "u4": "dev"}
        splits = {"source": {seed: roles for seed in (1, 2, 10)}, "target": {}}
        measured = ([of(w) for w in waveforms] for of in (audit.level_db, audit.silence_percent))
        report = audit.audit(rows, waveforms, *measured, {"format": "x"}, [pair("u3", "u4")], splits)
        assert report["genders"] == {"female": 1, "unknown": 1}
        assert report["emotions"] == {"angry": 1, "happy": 1, "neutral": 1, "sad": 2}
        assert report["seconds"] == {"mean": 0.5, "least": 0.5, "median": 0.5, "most": 0.5, "total": 2.5}
        assert report["speaker_only_uar"] == 50  # angry and sad correct, happy and neutral wrong
        assert report["duplicates"] == [["u3", "u4"]]
        (overlap,) = report["overlaps"]
        assert overlap["utterances"] == ["u3", "u4"]
        assert (overlap["seconds"], overlap["across_groups"], overlap["emotions"]) == (1.3, False, ["sad", "sad"])
        assert list(report["splits"]["source"]) == ["1", "2", "10"]
        split = report["splits"]["source"]["1"]
        assert split["groups"] == {"dev": ["2"], "train": ["1"]}
        assert split["emotions"]["dev"] == {"angry": 0, "happy": 0, "neutral": 1, "sad": 2}
        assert audit.never_held_out(report, "source") == ["1"]
        assert audit.never_held_out(report, "target") == []  # there are no test sets
        assert [(row["utterances"], row["dev_seeds"], row["test_seeds"]) for row in audit.by_speaker("X", report)] == [
            (2, 0, None),
            (3, 3, None),
        ]
        assert report["held_out"]["2"] == {"group": "2", "dev": [1, 2, 10], "test": []}
        assert report["repeated_splits"] == ["As a source, only 1 distinct splits: seeds 1 and 2 and 10 have the same"]
        assert split["speaker_only_uar"] == 0  # the prediction for a new speaker is angry
        assert report["level_db"]["mean"] == pytest.approx(20 * np.log10(1_000 / np.sqrt(3) / 32767), abs=0.2)
