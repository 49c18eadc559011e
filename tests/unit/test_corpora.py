"""Reading corpora in their real layouts: names, labels, speakers, and archives that are not what they should be."""

import hashlib
import io
import os
import subprocess
import tarfile
import tracemalloc
import zipfile
from collections import Counter

import numpy as np
import pytest
import soundfile
from conftest import wav_bytes, write_tree

from ser.core.errors import UserError
from ser.core.files import files_under
from ser.corpora import archives, audio, ingest
from ser.corpora.archives import Archive
from ser.corpora.formats import emovo, open_corpus, published_files, ravdess
from ser.demo import layouts
from ser.demo.writing import write_archive
from ser.snakemake_support.code_hash import listing_hash

EMODB = {"format": "emodb", "language": "German", "boredom": "sad", "verify": "names"}
EMOVO = {"format": "emovo", "language": "Italian", "verify": "names"}
RAVDESS = {"format": "ravdess", "language": "English", "verify": "names"}
URDU = {"format": "urdu", "language": "Urdu", "verify": "names"}
IEMOCAP = {"format": "iemocap", "language": "English", "verify": "none"}


def emodb_members(content):
    return {f"wav/{name}": content for name in published_files("emodb")} | {"erkennung.txt": b"text"}


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
    recordings = open_corpus(path, settings)[1].recordings
    assert Counter(recording.emotion for recording in recordings) == counts
    assert recordings == sorted(recordings, key=lambda recording: recording.utterance)


def test_rows_point_into_the_audio(tmp_path):
    rng = np.random.default_rng()
    members = {f"EMOVO/{n[4:6]}/{n}": b"" for n in emovo.published_names()}
    for name in members:
        members[name] = wav_bytes(rng.uniform(-0.5, 0.5, rng.integers(600, 900)), subtype="PCM_16")
    write_archive(tmp_path / "emovo.zip", members.items())
    rows, waveforms, about = ingest.ingest(tmp_path / "emovo.zip", EMOVO)
    audio.write_array(tmp_path / "audio.npy", waveforms, sum(row["samples"] for row in rows))
    samples = audio.open_audio(tmp_path / "audio.npy")
    assert samples.dtype == np.int16
    for row in rows:
        start, count = row["start"], row["samples"]
        truth, _ = soundfile.read(io.BytesIO(members[row["file"]]), dtype="int16")
        np.testing.assert_array_equal(samples[start : start + count], truth)
    assert about["verification"] == {"level": "names", "files": 588, "warnings": []}
    assert len(about["sha256"]) == 64


def test_strings_stay_strings(tmp_path, tone):
    write_archive(tmp_path / "emodb.zip", emodb_members(tone).items())
    recordings = open_corpus(tmp_path / "emodb.zip", EMODB)[1].recordings
    assert {r.speaker for r in recordings} >= {"03", "08", "09"}
    by_name = {r.utterance: r for r in recordings}
    assert by_name["03a01Fa"].emotion == "happy"  # F is Freude
    assert by_name["03a01Fa"].gender == "male"
    assert by_name["08a01Lc" if "08a01Lc" in by_name else "03a04Lc"].emotion == "sad"
    assert not any(r.utterance[5] in "AE" for r in recordings)  # fear and disgust are not among the four


def test_iemocap_speaker_is_who_speaks_not_who_is_recorded(tmp_path, tone):
    write_tree(tmp_path, iemocap_members(tone))
    recordings = open_corpus(tmp_path, IEMOCAP)[1].recordings
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
    assert len(open_corpus(tmp_path, IEMOCAP)[1].recordings) == 240


def test_iemocap_recordings_that_labels_promise_must_be_there(tmp_path, tone):
    members = iemocap_members(tone)
    gone = next(n for n in members if n.endswith("Ses02F_impro01_F000.wav"))
    del members[gone]
    write_tree(tmp_path, members)
    with pytest.raises(UserError, match="lacks the recordings of 1 labelled utterances: Ses02F_impro01_F000"):
        open_corpus(tmp_path, IEMOCAP)[1]
    with pytest.raises(UserError, match="not the full release"):
        open_corpus(write_tree(tmp_path, {gone: tone}), IEMOCAP | {"verify": "names"})[1]


def test_iemocap_in_two_copies_is_refused(tmp_path, tone):
    """One of them would silently win."""
    members = iemocap_members(tone)
    labels = next(name for name in members if "Session1/dialog/EmoEvaluation/" in name and b"ang" in members[name])
    other = members[labels].replace(b"\tang\t", b"\tsad\t")
    write_tree(tmp_path / "labels", members | {f"old/{labels}": other})
    with pytest.raises(UserError, match=r"labels Ses01\S+ both \w+ and \w+, the latter in "):
        ingest.ingest(tmp_path / "labels", IEMOCAP)
    recording = next(name for name in members if "Session1/sentences/wav/" in name and "/._" not in name)
    write_tree(tmp_path / "audio", members | {f"old/{recording}": members[recording]})
    with pytest.raises(UserError, match=r"holds Ses01\S+ twice: "):
        ingest.ingest(tmp_path / "audio", IEMOCAP)


class TestEmodbVerification:
    """Altered audio is refused, or accepted and said so."""

    def test_sha256_refuses_other_audio(self, tmp_path, tone):
        write_archive(tmp_path / "emodb.zip", emodb_members(tone).items())
        with pytest.raises(UserError, match=r"535 of 535 files are not the published recordings.*`verify: names`"):
            open_corpus(tmp_path / "emodb.zip", EMODB | {"verify": "sha256"})[1]

    def test_names_accepts_and_notes_it(self, tmp_path, tone):
        write_archive(tmp_path / "emodb.zip", emodb_members(tone).items())
        contents = open_corpus(tmp_path / "emodb.zip", EMODB)[1]
        assert contents.verification["altered"] == 535
        assert contents.verification["note"] == "altered excerpts, not comparable"

    def test_names_lists_what_is_missing(self, tmp_path, tone):
        members = emodb_members(tone)
        del members["wav/03a01Fa.wav"]
        write_tree(tmp_path, members)
        with pytest.raises(UserError, match=r"missing: 03a01Fa\.wav"):
            open_corpus(tmp_path, EMODB)[1]

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
            open_corpus(tmp_path, EMODB)[1]


class TestWrongArchives:
    """Each stops with one message that says what is wrong and what to do."""

    def test_another_corpus_is_recognised(self, tmp_path, tone):
        write_tree(tmp_path, urdu_members(tone))
        with pytest.raises(UserError, match=r"is not an archive of format 'emodb'.*looks like format 'urdu'"):
            open_corpus(tmp_path, EMODB)[1]

    def test_urdu_folder_and_name_must_agree(self, tmp_path, tone):
        write_tree(tmp_path, {"Angry/SM1_F1_H01.wav": tone})
        with pytest.raises(UserError, match="folder of another emotion"):
            open_corpus(tmp_path, URDU)[1]

    def test_urdu_names_what_is_missing_and_what_is_unknown(self, tmp_path, tone):
        members = {f"x/{entry['file']}": tone for entry in published_files("urdu").values()}
        members["x/Sad/SM25_F99_S0999.wav"] = members.pop("x/Angry/SM1_F10_A010.wav")
        write_tree(tmp_path, members)
        with pytest.raises(UserError, match=r"missing: SM1_F10_A010\.wav; unknown: SM25_F99_S0999\.wav"):
            open_corpus(tmp_path, URDU)

    def test_ravdess_folder_and_name_must_agree(self, tmp_path, tone):
        members = {f"Actor_{name[18:20]}/{name}": tone for name in ravdess.published_names()}
        write_tree(tmp_path, members)
        assert len(open_corpus(tmp_path, RAVDESS)[1].recordings) == 672
        (tmp_path / "Actor_01" / "03-01-05-01-01-01-01.wav").rename(tmp_path / "Actor_02" / "03-01-05-01-01-01-01.wav")
        with pytest.raises(UserError, match="lies in another actor's folder"):
            open_corpus(tmp_path, RAVDESS)

    def test_audio_that_should_not_be_there_is_named_and_left_alone(self, tmp_path, tone):
        write_tree(tmp_path, {f"wav/{name}": tone for name in published_files("emodb")} | {"wav/extra.wav": tone})
        contents = open_corpus(tmp_path, EMODB)[1]
        assert len(contents.recordings) == 420
        assert contents.verification["warnings"] == [
            "1 audio files that it should not have are not used: wav/extra.wav"
        ]

    def test_iemocap_utterances_without_a_label_are_named(self, tmp_path, tone):
        members = iemocap_members(tone)
        name = next(n for n in members if n.endswith("Ses02F_impro01_F000.wav"))
        members[name.replace("F000", "F999")] = tone
        contents = open_corpus(write_tree(tmp_path, members), IEMOCAP)[1]
        assert contents.verification["warnings"] == ["1 utterances have no label and are not used: Ses02F_impro01_F999"]

    def test_urdu_counts(self, tmp_path, tone):
        write_tree(tmp_path, {"Angry/SM1_F1_A01.wav": tone})
        with pytest.raises(UserError, match="1 angry, 0 happy"):
            open_corpus(tmp_path, URDU)[1]

    def test_web_page_instead_of_archive(self, tmp_path):
        path = tmp_path / "corpus.zip"
        path.write_text("<!DOCTYPE html><html>quota exceeded</html>")
        with pytest.raises(UserError, match="it is a web page"):
            Archive(path)
        path.write_text("<html><head><title> Quota\nexceeded </title></head></html>")
        with pytest.raises(UserError, match="it is a web page titled 'Quota"):
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
            ingest.ingest(path, URDU)

    @pytest.mark.parametrize("name", ["../evil.wav", "/etc/evil.wav", "a/../../evil.wav"])
    def test_members_outside_are_refused(self, tmp_path, tone, name):
        as_tar(tmp_path / "corpus.tar.gz", {name: tone})
        with zipfile.ZipFile(tmp_path / "corpus.zip", "w") as archive:
            archive.writestr(name, tone)
        for path in (tmp_path / "corpus.tar.gz", tmp_path / "corpus.zip"):
            with pytest.raises(UserError, match="points outside the archive"):
                Archive(path).scan()

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
    def test_links_and_devices_in_a_tar_are_refused(self, tmp_path, kind):
        with tarfile.open(tmp_path / "corpus.tar.gz", "w:gz") as archive:
            member = tarfile.TarInfo("wav/03a01Fa.wav")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        with pytest.raises(UserError, match=r"'wav/03a01Fa.wav' is a link or a device; it is refused"):
            Archive(tmp_path / "corpus.tar.gz").scan()

    def test_links_in_a_zip_are_refused(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "corpus.zip", "w") as archive:
            member = zipfile.ZipInfo("wav/03a01Fa.wav")
            member.external_attr = 0o120777 << 16
            archive.writestr(member, "/etc/passwd")
        with pytest.raises(UserError, match="is a link or a device; it is refused"):
            Archive(tmp_path / "corpus.zip").scan()

    def test_links_in_the_users_own_folder_are_followed_once(self, tmp_path, tone):
        write_tree(tmp_path / "elsewhere", {"b.wav": tone})
        write_tree(tmp_path / "corpus", {"a.wav": tone})
        (tmp_path / "corpus" / "linked").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "corpus" / "loop").symlink_to(tmp_path / "corpus")
        (tmp_path / "corpus" / "dangling.wav").symlink_to(tmp_path / "nothing")
        assert Archive(tmp_path / "corpus").scan()[0] == ["a.wav", "linked/b.wav"]

    @pytest.mark.parametrize("kind", ["zip", "tar.gz"])
    @pytest.mark.parametrize("members", [1, 40])
    def test_absurd_expansion_is_refused_before_it_happens(self, tmp_path, kind, members, monkeypatch):
        monkeypatch.setattr(archives, "FREE_EXPANSION", 1 << 20)
        path = tmp_path / f"bomb.{kind}"
        write_archive(path, [(f"wav/{number}.bin", bytes((1 << 27) // members)) for number in range(members)])
        assert path.stat().st_size < 1 << 20
        tracemalloc.start()
        with pytest.raises(UserError, match="which no corpus does; it is refused"):
            Archive(path).scan()
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
        tracemalloc.stop()

    def test_a_member_larger_than_any_recording_is_not_read(self, tmp_path, monkeypatch, tone):
        monkeypatch.setattr(archives, "LARGEST_MEMBER", len(tone) - 1)
        write_archive(tmp_path / "corpus.zip", [("video.avi", tone + tone), ("a.wav", tone)])
        assert Archive(tmp_path / "corpus.zip").scan()[0] == ["a.wav", "video.avi"]
        with pytest.raises(UserError, match=r"member 'a.wav' has \d+ bytes, more than any recording"):
            list(Archive(tmp_path / "corpus.zip").read(["a.wav"]))

    def test_backslashes_separate_folders_too(self, tmp_path, tone):
        write_archive(tmp_path / "corpus.zip", [("wav\\a.wav", tone)])
        assert [name for name, _ in Archive(tmp_path / "corpus.zip").read(["wav/a.wav"])] == ["wav/a.wav"]
        write_archive(tmp_path / "evil.zip", [("..\\a.wav", tone)])
        with pytest.raises(UserError, match="points outside the archive"):
            Archive(tmp_path / "evil.zip").scan()


class TestDamage:
    """Whatever a download may have suffered is found by reading it once."""

    @pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
    def test_cut_anywhere(self, tmp_path, kind):
        rng = np.random.default_rng(1)
        members = {f"wav/{number}.wav": rng.bytes(512 * number) for number in range(1, 8)}
        path = tmp_path / f"corpus.{kind}"
        if kind == "zip":
            write_archive(path, members.items())
        else:
            as_tar(path, members, f"w:{kind[4:]}")
        whole = path.read_bytes()
        archive = Archive(path)
        archive.check()
        assert archive.sha256() == hashlib.sha256(whole).hexdigest()
        # every boundary of a member's header and contents in the plain tar is among these
        last = len(whole.rstrip(b"\0")) if kind == "tar" else len(whole)  # nobody misses a plain tar's padding
        for end in {*range(0, last, 512), *range(7, last, 997)}:
            path.write_bytes(whole[:end])
            with pytest.raises(UserError, match=r"damaged or cut short|readable zip or tar"):
                Archive(path).check()

    @pytest.mark.parametrize("kind", ["zip", "tar.gz"])
    def test_a_flipped_byte(self, tmp_path, kind):
        path = tmp_path / f"corpus.{kind}"
        write_archive(path, [("a.wav", np.random.default_rng(1).bytes(5_000))])
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="damaged or cut short"):
            Archive(path).check()

    def test_a_header_that_is_none_is_not_the_end(self, tmp_path):
        """`tarfile` takes whatever is no header for the end of a plain tar."""
        path = as_tar(
            tmp_path / "corpus.tar", {f"{i}.wav": np.random.default_rng(i).bytes(700) for i in range(6)}, "w:"
        )
        whole, header = path.read_bytes(), 3 * 3 * 512
        Archive(path).check()
        for damage in (b"\0" * 512, b"\xff" * 512, bytes([whole[header] ^ 1]) + whole[header + 1 : header + 512]):
            path.write_bytes(whole[:header] + damage + whole[header + 512 :])
            with pytest.raises(UserError, match="damaged or cut short"):
                Archive(path).check()

    def test_a_sparse_member_is_refused(self, tmp_path):
        with open(tmp_path / "03a01Fa.wav", "wb") as file:
            file.truncate(50 << 20)
        path = tmp_path / "corpus.tar"
        subprocess.run(["tar", "-S", "-C", tmp_path, "-cf", path, "03a01Fa.wav"], check=True)
        with pytest.raises(UserError, match="is sparse, no recording; it is refused"):
            Archive(path).check()

    def test_names_that_are_no_text(self, tmp_path, tone):
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "a.wav").write_bytes(tone)
        with open(os.fsencode(folder) + b"/erkl\xe4rung.txt", "wb") as file:
            file.write(b"text")
        names, _ = Archive(folder).scan()
        assert len(names) == 2
        assert len(listing_hash(files_under(folder))) == 16


class TestReadingATarOnce:
    """What a tar's second reading would want is kept from the first."""

    def test_second_reading_needs_no_archive(self, tmp_path, tone):
        path = as_tar(tmp_path / "corpus.tar.gz", {"b.wav": tone, "a.wav": tone + b"!", "c.txt": b"text"})
        archive = Archive(path, wanted=r"\.wav$")
        names, texts = archive.scan(lambda name: name.endswith(".txt"))
        assert (names, texts) == (["a.wav", "b.wav", "c.txt"], {"c.txt": b"text"})
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.unlink()
        assert dict(archive.read(["a.wav", "b.wav"])) == {"a.wav": tone + b"!", "b.wav": tone}
        assert archive.sha256() == digest


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

    def test_of_five_channels_the_first(self):
        waves = 0.4 * np.sin(np.outer(np.arange(16_000), np.arange(1, 6)) / 20)
        alone = audio.decode(wav_bytes(waves[:, 0], subtype="PCM_16"), "mono")
        np.testing.assert_array_equal(audio.decode(wav_bytes(waves, subtype="PCM_16"), "five"), alone)

    def test_a_stream_whose_header_does_not_know_its_length(self):
        wav = bytearray(wav_bytes(np.full(8_000, 0.5), subtype="PCM_16"))
        wav[4:8] = wav[40:44] = b"\xff\xff\xff\xff"
        assert len(audio.decode(bytes(wav), "stream")) == 8_000

    @pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
    def test_a_recording_cut_short_is_named(self, subtype):
        wav = wav_bytes(np.full(16_000, 0.5), subtype=subtype)
        with pytest.raises(UserError, match=r"b\.wav is cut short: by its header it is 0\.\d s longer"):
            audio.decode(wav[: len(wav) * 2 // 3], "b.wav")
        assert len(audio.decode(wav[:-100], "b.wav")) >= 15_900  # some bytes of a second are nobody's loss

    def test_a_compressed_recording_cut_short_is_named(self):
        buffer = io.BytesIO()
        soundfile.write(buffer, np.random.default_rng(1).uniform(-0.5, 0.5, 48_000), 16_000, format="FLAC")
        content = buffer.getvalue()
        with pytest.raises(UserError, match=r"b\.flac (is cut short|cannot be read as audio)"):
            audio.decode(content[: len(content) // 2], "b.flac")

    @pytest.mark.parametrize(
        ("options", "order"),
        [
            ({"format": "WAV", "subtype": "PCM_16", "endian": "BIG"}, "RIFX"),
            ({"format": "RF64", "subtype": "PCM_16"}, "RF64"),
            ({"format": "AIFF", "subtype": "PCM_24"}, "FORM"),
        ],
    )
    def test_containers_that_libsndfile_lets_be_cut(self, options, order):
        buffer = io.BytesIO()
        soundfile.write(buffer, np.full(16_000, 0.5), 16_000, **options)
        content = buffer.getvalue()
        assert content.startswith(order.encode())
        assert len(audio.decode(content, "a")) == 16_000
        with pytest.raises(UserError, match=r"b is cut short: by its header it is 0\.\d s longer"):
            audio.decode(content[: len(content) // 2], "b")

    def test_a_stream_of_unknown_length_is_read_to_its_end(self):
        buffer = io.BytesIO()
        soundfile.write(buffer, np.random.default_rng(1).uniform(-0.5, 0.5, 48_000), 16_000, format="FLAC")
        flac = bytearray(buffer.getvalue())
        flac[21] &= 0xF0  # the number of samples in STREAMINFO, 36 bits
        flac[22:26] = bytes(4)
        try:
            assert len(audio.decode(bytes(flac), "stream")) == 48_000
        except UserError as error:
            assert "cannot be read as audio" in str(error)  # noqa: PT017 (libsndfile may not read it, but no traceback)

    def test_other_units_than_full_scale(self):
        wave = np.random.default_rng(1).uniform(-1, 1, 16_000)
        assert np.abs(audio.decode(wav_bytes(1.5 * wave, subtype="FLOAT"), "loud")).max() == 32767
        for scale in (32768, 1e38):
            with pytest.raises(UserError, match=r"a holds samples up to .*between -1 and 1"):
                audio.decode(wav_bytes(scale * wave, 44_100, subtype="FLOAT"), "a")

    def test_a_rate_that_is_none(self):
        wav = bytearray(wav_bytes(np.full(16_000, 0.5), subtype="PCM_16"))
        wav[24:28] = (100).to_bytes(4, "little")
        with pytest.raises(UserError, match="has 100 samples a second by its header"):
            audio.decode(bytes(wav), "a")

    def test_all_bad_recordings_are_named_at_once(self, tmp_path, tone):
        members = urdu_members(tone)
        bad = sorted(name for name in members if name.endswith(".wav"))[:3]
        for name in bad:
            members[name] = b"no audio"
        write_tree(tmp_path, members)
        with pytest.raises(UserError, match=rf"(?s)3 recordings cannot be used.*{bad[0]}.*{bad[1]}.*{bad[2]}"):
            ingest.ingest(tmp_path, URDU)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "cannot be read as audio"),
            (b"RIFF....WAVEnonsense", "cannot be read as audio"),
            (bytes(range(256)) * 100, "cannot be read as audio"),
            (wav_bytes(np.zeros(0)), "holds no audio"),
            (wav_bytes(np.zeros(16_000)), "silent"),
            (wav_bytes(np.full(16_000, np.nan), subtype="FLOAT"), "not finite"),
            (wav_bytes(np.full(100, 0.5)), "only 6 ms long"),
        ],
        ids=["zero-length", "nonsense", "headerless", "no-samples", "silent", "nan", "too-short"],
    )
    def test_what_is_no_speech_is_named(self, content, message):
        with pytest.raises(UserError, match=rf"a\.zip: b\.wav .*{message}"):
            audio.decode(content, "a.zip: b.wav")
