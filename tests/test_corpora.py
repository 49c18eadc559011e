"""Reading corpora in their real layouts: names, labels, speakers, and archives that are not what they should be."""

import io
import tarfile
import zipfile
from collections import Counter

import numpy as np
import pytest
import soundfile
from conftest import wav_bytes, write_tree

from ser import audio, ingestion
from ser.archives import Archive
from ser.corpora import emodb, emovo, read_contents
from ser.demo import layouts
from ser.demo.writing import write_archive
from ser.errors import UserError

EMODB = {"format": "emodb", "language": "German", "boredom": "sad", "verify": "names"}
EMOVO = {"format": "emovo", "language": "Italian", "verify": "names"}
URDU = {"format": "urdu", "language": "Urdu", "verify": "names"}
IEMOCAP = {"format": "iemocap", "language": "English", "verify": "none"}


def emodb_members(content):
    return {f"wav/{name}": content for name in emodb.published_files()} | {"erkennung.txt": b"text"}


def urdu_members(content):
    members = {"URDU-Dataset-4b546d4/README.md": b"text"}
    for index, emotion in enumerate(("Angry", "Happy", "Neutral", "Sad")):
        number = 0
        for speaker, counts in layouts.URDU_SPEAKERS.items():
            for file in range(1, counts[index] + 1):
                number += 1
                members[f"URDU-Dataset-4b546d4/{emotion}/{speaker}_F{file}_{emotion[0]}0{number}.wav"] = content
    return members


def iemocap_members(content):
    layout = layouts.iemocap_layout()
    texts = {path: text.encode() for path, text in layout.texts.items()}
    return {line.path: content for line in layout.lines} | texts


def as_tar(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.gz"])
@pytest.mark.parametrize(
    ("settings", "members", "counts"),
    [
        (EMODB, emodb_members, {"angry": 127, "happy": 71, "neutral": 79, "sad": 143}),
        (EMODB | {"boredom": "drop"}, emodb_members, {"angry": 127, "happy": 71, "neutral": 79, "sad": 62}),
        (
            EMOVO,
            lambda content: {f"EMOVO/{n[4:6]}/{n}": content for n in emovo.published_names()},
            dict.fromkeys(("angry", "happy", "neutral", "sad"), 84),
        ),
        (URDU, urdu_members, dict.fromkeys(("angry", "happy", "neutral", "sad"), 100)),
        (IEMOCAP, iemocap_members, dict.fromkeys(("angry", "happy", "neutral", "sad"), 60)),
    ],
    ids=["EMODB-420", "EMODB-339", "EMOVO", "URDU", "IEMOCAP"],
)
def test_counts_in_every_kind_of_archive(tmp_path, tone, kind, settings, members, counts):
    path = tmp_path / f"corpus.{kind}"
    if kind == "folder":
        write_tree(path, members(tone))
    else:
        write_archive(path, sorted(members(tone).items()))
    recordings = read_contents(Archive(path), settings["format"], settings).recordings
    assert Counter(recording.emotion for recording in recordings) == counts
    assert recordings == sorted(recordings, key=lambda recording: recording.utterance)


def test_rows_point_into_the_audio(tmp_path):
    rng = np.random.default_rng()
    members = {f"EMOVO/{n[4:6]}/{n}": b"" for n in emovo.published_names()}
    for name in members:
        members[name] = wav_bytes(rng.uniform(-0.5, 0.5, rng.integers(600, 900)), subtype="PCM_16")
    write_archive(tmp_path / "emovo.zip", members.items())
    rows, waveforms, about = ingestion.ingest(tmp_path / "emovo.zip", EMOVO)
    audio.write_audio(tmp_path / "audio.npy", waveforms)
    samples = audio.open_audio(tmp_path / "audio.npy")
    assert samples.dtype == np.int16
    for row in rows:
        start, count = row["start"], row["samples"]
        truth, _ = soundfile.read(io.BytesIO(members[row["file"]]), dtype="int16")
        np.testing.assert_array_equal(samples[start : start + count], truth)
    assert about["verification"] == {"level": "names", "files": 588}
    assert len(about["sha256"]) == 64


def test_strings_stay_strings(tmp_path, tone):
    write_archive(tmp_path / "emodb.zip", emodb_members(tone).items())
    recordings = read_contents(Archive(tmp_path / "emodb.zip"), "emodb", EMODB).recordings
    assert {r.speaker for r in recordings} >= {"03", "08", "09"}
    by_name = {r.utterance: r for r in recordings}
    assert by_name["03a01Fa"].emotion == "happy"  # F is Freude
    assert by_name["03a01Fa"].gender == "male"
    assert by_name["08a01Lc" if "08a01Lc" in by_name else "03a04Lc"].emotion == "sad"
    assert not any(r.utterance[5] in "AE" for r in recordings)  # fear and disgust are not among the four


def test_iemocap_speaker_is_who_speaks_not_who_is_recorded(tmp_path, tone):
    write_tree(tmp_path, iemocap_members(tone))
    recordings = read_contents(Archive(tmp_path), "iemocap", IEMOCAP).recordings
    for recording in recordings:
        assert recording.speaker == recording.utterance[:5] + recording.utterance.rsplit("_", 1)[1][0]
        assert recording.group == recording.utterance[:5]
    dialogue_of_the_other = [r for r in recordings if r.utterance[5] != r.speaker[5]]
    assert len(dialogue_of_the_other) == len(recordings) / 2


def test_iemocap_texts_may_be_latin_1_and_windows(tmp_path, tone):
    members = iemocap_members(tone)
    name = next(n for n in members if n.endswith("Ses01F_impro01.txt"))
    members[name] = "% caf\xe9\n".encode("latin-1") + members[name].replace(b"\n", b"\r\n")
    write_tree(tmp_path, members)
    assert len(read_contents(Archive(tmp_path), "iemocap", IEMOCAP).recordings) == 240


def test_iemocap_recordings_that_labels_promise_must_be_there(tmp_path, tone):
    members = iemocap_members(tone)
    gone = next(n for n in members if n.endswith("Ses02F_impro01_F000.wav"))
    del members[gone]
    write_tree(tmp_path, members)
    with pytest.raises(UserError, match="lacks the recordings of 1 labelled utterances: Ses02F_impro01_F000"):
        read_contents(Archive(tmp_path), "iemocap", IEMOCAP)
    with pytest.raises(UserError, match="not the full release"):
        read_contents(Archive(write_tree(tmp_path, {gone: tone})), "iemocap", IEMOCAP | {"verify": "names"})


class TestEmodbVerification:
    """Altered audio is refused, or accepted and said so."""

    def test_sha256_refuses_other_audio(self, tmp_path, tone):
        write_archive(tmp_path / "emodb.zip", emodb_members(tone).items())
        with pytest.raises(UserError, match=r"535 of 535 files are not the published recordings.*`verify: names`"):
            read_contents(Archive(tmp_path / "emodb.zip"), "emodb", EMODB | {"verify": "sha256"})

    def test_names_accepts_and_notes_it(self, tmp_path, tone):
        write_archive(tmp_path / "emodb.zip", emodb_members(tone).items())
        contents = read_contents(Archive(tmp_path / "emodb.zip"), "emodb", EMODB)
        assert contents.verification["altered"] == 535
        assert contents.verification["note"] == "altered excerpts, not comparable"

    def test_names_lists_what_is_missing(self, tmp_path, tone):
        members = emodb_members(tone)
        del members["wav/03a01Fa.wav"]
        write_tree(tmp_path, members)
        with pytest.raises(UserError, match=r"missing: 03a01Fa\.wav"):
            read_contents(Archive(tmp_path), "emodb", EMODB)

    def test_version_2_is_refused(self, tmp_path, tone):
        names = (
            [
                f"{s}{t}{e}{v}"
                for s in ("03", "08")
                for t in ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03")
                for e in "WLEAFTN"
                for v in "abcdef"
            ]
            + [f"09{t}{e}{v}" for t in ("a01", "a02", "a04") for e in "WLEAFTN" for v in "abcdef"]
            + [f"10a01{e}{v}" for e in "WLE" for v in "abcdef"]
        )
        names = sorted(names)[:816]
        assert len(names) == 816
        write_tree(tmp_path, {f"wav/{name}.wav": tone for name in names})
        with pytest.raises(UserError, match="version 2"):
            read_contents(Archive(tmp_path), "emodb", EMODB)


class TestWrongArchives:
    """Each stops with one message that says what is wrong and what to do."""

    def test_another_corpus_is_recognised(self, tmp_path, tone):
        write_tree(tmp_path, urdu_members(tone))
        with pytest.raises(UserError, match=r"is not an archive of format 'emodb'.*looks like format 'urdu'"):
            read_contents(Archive(tmp_path), "emodb", EMODB)

    def test_urdu_folder_and_name_must_agree(self, tmp_path, tone):
        write_tree(tmp_path, {"Angry/SM1_F1_H01.wav": tone})
        with pytest.raises(UserError, match="folder of another emotion"):
            read_contents(Archive(tmp_path), "urdu", URDU)

    def test_urdu_counts(self, tmp_path, tone):
        write_tree(tmp_path, {"Angry/SM1_F1_A01.wav": tone})
        with pytest.raises(UserError, match="1 angry, 0 happy"):
            read_contents(Archive(tmp_path), "urdu", URDU)

    def test_web_page_instead_of_archive(self, tmp_path):
        path = tmp_path / "corpus.zip"
        path.write_text("<!DOCTYPE html><html>quota exceeded</html>")
        with pytest.raises(UserError, match="it is a web page"):
            Archive(path)

    def test_empty_and_missing(self, tmp_path):
        (tmp_path / "empty.zip").touch()
        with pytest.raises(UserError, match="it is empty"):
            Archive(tmp_path / "empty.zip")
        with pytest.raises(UserError, match="no such file or folder"):
            Archive(tmp_path / "nothing.zip")

    @pytest.mark.parametrize("kind", ["zip", "tar.gz"])
    def test_truncated(self, tmp_path, tone, kind):
        path = tmp_path / f"corpus.{kind}"
        write_archive(path, urdu_members(tone).items())
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(UserError, match=r"damaged or cut short|neither a folder nor a readable"):
            ingestion.ingest(path, URDU)

    @pytest.mark.parametrize("name", ["../evil.wav", "/etc/evil.wav", "a/../../evil.wav"])
    def test_members_outside_are_refused(self, tmp_path, tone, name):
        as_tar(tmp_path / "corpus.tar.gz", {name: tone})
        with zipfile.ZipFile(tmp_path / "corpus.zip", "w") as archive:
            archive.writestr(name, tone)
        for path in (tmp_path / "corpus.tar.gz", tmp_path / "corpus.zip"):
            with pytest.raises(UserError, match="points outside the archive"):
                Archive(path).scan()

    def test_links_are_not_followed(self, tmp_path, tone):
        write_tree(tmp_path / "corpus", {"a.wav": tone})
        (tmp_path / "secret.wav").write_bytes(tone)
        (tmp_path / "corpus" / "b.wav").symlink_to(tmp_path / "secret.wav")
        assert Archive(tmp_path / "corpus").scan()[0] == ["a.wav"]


class TestDecoding:
    """Any rate, width and number of channels; the first channel alone; and audio that is none."""

    @pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
    @pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 96_000])
    def test_formats(self, rate, subtype):
        time = np.arange(rate) / rate
        wave = 0.4 * np.sin(2 * np.pi * 330 * time)
        samples = audio.decode(wav_bytes(wave, rate, subtype=subtype), "tone")
        assert abs(len(samples) - 16_000) <= 1
        expected = 0.4 * np.sin(2 * np.pi * 330 * np.arange(len(samples)) / 16_000)
        error = audio.as_float(samples)[400:-400] - expected[400:-400]
        assert np.abs(error).max() < (0.02 if subtype == "PCM_U8" else 0.002)

    def test_first_channel_is_taken(self):
        left = 0.4 * np.sin(2 * np.pi * 330 * np.arange(16_000) / 16_000)
        both = np.stack([left, np.roll(left, 8)], axis=1)
        alone = audio.decode(wav_bytes(left, subtype="PCM_16"), "mono")
        np.testing.assert_array_equal(audio.decode(wav_bytes(both, subtype="PCM_16"), "stereo"), alone)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "cannot be read as audio"),
            (b"RIFF....WAVEnonsense", "cannot be read as audio"),
            (wav_bytes(np.zeros(0)), "holds no audio"),
            (wav_bytes(np.zeros(16_000)), "silent"),
            (wav_bytes(np.full(16_000, np.nan), subtype="FLOAT"), "not finite"),
            (wav_bytes(np.full(100, 0.5)), "only 6 ms long"),
        ],
        ids=["zero-length", "headerless", "no-samples", "silent", "nan", "too-short"],
    )
    def test_what_is_no_speech_is_named(self, content, message):
        with pytest.raises(UserError, match=rf"a\.zip: b\.wav .*{message}"):
            audio.decode(content, "a.zip: b.wav")
