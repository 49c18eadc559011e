"""Your own corpus as a CSV of audio files: formats, sampling rates and mistakes."""

import numpy as np
import pytest
import soundfile
from conftest import named_generator

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.core.files import read_rows, write_rows
from ser.corpora import ingest

SETTINGS = {"format": "table", "language": "Persian"}


def write_table(folder, rows, columns=("file", "speaker", "emotion"), name="mine.csv"):
    write_rows(folder / name, columns, rows)
    return folder / name


@pytest.fixture
def table(tmp_path):
    """Return a CSV with all columns, of four files in different formats and rates."""
    rng = named_generator("table")
    wave = 0.1 * rng.standard_normal(96_000)
    (tmp_path / "audio").mkdir()
    soundfile.write(tmp_path / "audio" / "a.flac", wave[:44_100], 44_100)
    soundfile.write(tmp_path / "audio" / "b.ogg", wave[:48_000], 48_000)
    soundfile.write(tmp_path / "audio" / "c.mp3", wave[:22_050], 22_050)
    soundfile.write(tmp_path / "audio" / "d.wav", np.stack([wave] * 3, axis=1), 96_000, subtype="PCM_24")
    rows = [
        ("audio/a.flac", "03", "angry", "F", "room 1"),
        ("audio/b.ogg", "03", "happy", "F", "room 1"),
        ("audio/c.mp3", "4", "neutral", "Male", ""),
        (str(tmp_path / "audio" / "d.wav"), "5", "sad", "", ""),
    ]
    return write_table(tmp_path, rows, ("file", "speaker", "emotion", "gender", "group"))


def test_any_format_and_sampling_rate_is_read(table, tmp_path):
    rows, waveforms, about = ingest.ingest(table, SETTINGS)
    assert [(row["utterance"], row["speaker"], row["group"], row["gender"], row["emotion"]) for row in rows] == [
        (str(tmp_path / "audio" / "d"), "5", "5", "", "sad"),
        ("audio/a", "03", "room 1", "female", "angry"),
        ("audio/b", "03", "room 1", "female", "happy"),
        ("audio/c", "4", "4", "male", "neutral"),
    ]
    for waveform in waveforms:
        assert waveform.dtype == np.int16
        assert len(waveform) == pytest.approx(16_000, abs=200)
    assert about["verification"] == {"level": "table", "files": 4, "warnings": [], "notes": []}
    assert len(about["sha256"]) == len(about["recordings_sha256"]) == 64


def test_silence_is_trimmed_on_request(tmp_path):
    wave = 0.1 * named_generator("trimmed").standard_normal(16_000)
    for i, emotion in enumerate(EMOTIONS):
        padded = np.pad(wave[: 8_000 + 1_600 * i], (4_800, 3_200 * i))
        soundfile.write(tmp_path / f"{emotion}.wav", padded, 16_000)
    table = write_table(tmp_path, [(f"{emotion}.wav", i, emotion) for i, emotion in enumerate(EMOTIONS)])
    rows, waveforms, about = ingest.ingest(table, SETTINGS | {"trim_db": 40})
    lengths = [len(waveform) for waveform in waveforms]
    assert lengths == pytest.approx([8_000, 9_600, 11_200, 12_800], abs=600)
    assert [row["samples"] for row in rows] == lengths
    assert [float(row["seconds"]) for row in rows] == pytest.approx([n / 16_000 for n in lengths], abs=1e-4)
    assert [row["start"] for row in rows] == [0, *np.cumsum(lengths)[:-1]]
    assert about["verification"]["notes"] == ["leading and trailing silence trimmed (40 dB)"]


def test_labels_are_mapped_or_left_out(table):
    labels = {"anger": "angry", "1": "happy", "disgust": None}
    rows = read_rows(table)
    for row, label in zip(rows, ("anger", "1", "neutral", "sad"), strict=True):
        row["emotion"] = label
    rows.append({**rows[0], "file": "audio/../audio/a.flac", "emotion": "disgust"})
    write_rows(table, list(rows[0]), rows)
    found, _, about = ingest.ingest(table, SETTINGS | {"labels": labels})
    assert sorted(row["emotion"] for row in found) == ["angry", "happy", "neutral", "sad"]
    assert about["verification"]["warnings"] == ["1 files are left out because of `labels`"]
    with pytest.raises(UserError, match=r"column `emotion` contains '1', 'anger', 'disgust', but must be one of angry"):
        ingest.ingest(table, SETTINGS)


def test_byte_order_mark_is_removed(table):
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert len(ingest.ingest(table, SETTINGS)[0]) == 4


@pytest.mark.parametrize(
    ("columns", "rows", "message"),
    [
        (("file", "speaker"), [("a", "b")], "it lacks emotion"),
        (("file;speaker;emotion",), [("a;b;sad",)], "it lacks file, speaker, emotion. Separate columns by commas"),
        (("file", "speaker", "emotion"), [], "it has no rows"),
        (("file", "speaker", "emotion"), [("audio/a.flac", "", "sad")], "line 2: speaker is empty"),
        (("file", "speaker", "emotion"), [("x.wav", "1", "sad")], r"1 of its 1 files do not exist: x\.wav"),
        (("file", "speaker", "emotion"), [("audio", "1", "sad")], "1 of its 1 files do not exist: audio"),
        (
            ("file", "speaker", "emotion"),
            [("audio/a.flac", "1", "sad")],
            "no utterances of angry or happy or neutral",
        ),
        (
            ("file", "speaker", "emotion", "gender"),
            [("audio/a.flac", "1", "sad", "x")],
            "line 2: gender 'x' must be female, male or empty",
        ),
    ],
)
def test_mistakes_are_reported(table, columns, rows, message):
    write_table(table.parent, rows, columns)
    with pytest.raises(UserError, match=rf"mine\.csv.*{message}"):
        ingest.ingest(table, SETTINGS)


def test_duplicate_file_and_speaker_in_two_groups_are_rejected(table):
    rows = [("audio/a.flac", "1", emotion) for emotion in ("angry", "happy", "neutral", "sad")]
    write_table(table.parent, rows)
    with pytest.raises(UserError, match=r"lists these files more than once: .*/audio/a"):
        ingest.ingest(table, SETTINGS)
    rows = [
        (f"audio/{name}", "1", emotion, group)
        for name, emotion, group in (
            ("a.flac", "angry", "x"),
            ("b.ogg", "happy", "x"),
            ("c.mp3", "neutral", "y"),
            ("d.wav", "sad", "x"),
        )
    ]
    write_table(table.parent, rows, ("file", "speaker", "emotion", "group"))
    with pytest.raises(UserError, match=r"speaker 1 is in two groups, [xy] and [xy], so a split could put the speaker"):
        ingest.ingest(table, SETTINGS)


def test_file_that_is_not_a_csv_is_rejected(tmp_path, tone):
    (tmp_path / "mine.csv").write_bytes(tone)
    with pytest.raises(UserError, match=r"mine\.csv (cannot be read as a CSV in UTF-8|must be a CSV)"):
        ingest.ingest(tmp_path / "mine.csv", SETTINGS)


def test_speaker_of_two_genders_gives_a_warning(table):
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("03,happy,F", "03,happy,m").replace("d.wav,5,sad", "d.wav,4,sad"), encoding="utf-8")
    *_, about = ingest.ingest(table, SETTINGS)
    assert about["verification"]["warnings"] == ["both female and male: '03' (one speaker, or two of one name?)"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("F,room 1", 'F,"room 1', 1), r"cannot be read as a CSV|spans several lines"),
        (lambda text: text.replace("F,room 1", "F,room 1,more", 1), r"line 2: 6 cells instead of 5"),
        (lambda text: text.replace("gender,group", "speaker,group"), r"has the column 'speaker' more than once"),
        (lambda text: text.replace("audio/c.mp3,4", "\n\naudio/c.mp3,", 1), r"line 6: speaker is empty"),
        (lambda text: text.replace("audio/c.mp3", "c" * 300), r"1 of its 4 files do not exist"),
        (lambda text: text + "audio/../audio/a.flac,03,sad,F,room 1\n", r"more than once: .*/audio/a\.flac"),
        (lambda text: text.replace(",neutral,", ",01,"), r'labels: \{"01": null\}'),
    ],
    ids=["open quote", "extra cell", "duplicate column", "empty lines", "long name", "same file", "YAML number"],
)
def test_mistakes_that_csv_readers_accept_are_reported(table, change, message):
    table.write_text(change(table.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        ingest.ingest(table, SETTINGS)


def test_files_that_differ_only_in_suffix(table, tmp_path):
    wave = 0.1 * named_generator("suffix").standard_normal(16_000)
    soundfile.write(tmp_path / "audio" / "a.wav", wave, 16_000)
    with open(table, "a", encoding="utf-8") as file:
        file.write("audio/a.wav,03,sad,F,room 1\n")
    rows, *_ = ingest.ingest(table, SETTINGS)
    assert {"audio/a.wav", "audio/a.flac", "audio/b"} <= {row["utterance"] for row in rows}
