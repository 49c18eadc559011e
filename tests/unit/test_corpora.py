"""Corpora in their published layouts, and wrong archives."""

import functools
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import real_layouts
from conftest import write_tree

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.corpora import ingest
from ser.corpora.formats import PUBLISHED, open_corpus, published_files, ravdess
from ser.demo import layouts
from ser.demo.writing import write_archive

EMODB = {"format": "emodb", "language": "German", "boredom": "sad", "verify": "names"}
EMOVO = {"format": "emovo", "language": "Italian", "verify": "names"}
RAVDESS = {"format": "ravdess", "language": "English", "verify": "names"}
URDU = {"format": "urdu", "language": "Urdu", "verify": "names"}
IEMOCAP = {"format": "iemocap", "language": "English", "verify": "none"}

# Members, settings, number of speakers, and utterances by emotion: angry, happy, neutral, sad.
PUBLISHED_LAYOUTS = {
    "EMODB-420": (real_layouts.emodb, EMODB, 10, (127, 71, 79, 143)),
    "EMODB-339": (real_layouts.emodb, EMODB | {"boredom": "drop"}, 10, (127, 71, 79, 62)),
    "EMOVO": (real_layouts.emovo_archive, EMOVO, 6, (84, 84, 84, 84)),
    "URDU": (real_layouts.urdu, URDU, 29, (100, 100, 100, 100)),
    "RAVDESS": (real_layouts.ravdess_archive, RAVDESS, 24, (192, 192, 96, 192)),
    "IEMOCAP": (real_layouts.iemocap, IEMOCAP | {"verify": "names"}, 10, (1103, 1636, 1708, 1084)),
}


def emodb_members(content):
    return {f"wav/{name}": content for name in published_files("emodb")} | {"erkennung.txt": b"text"}


def urdu_members(content):
    return {f"URDU-Dataset-4b546d4/{entry['file']}": content for entry in published_files("urdu").values()}


def iemocap_members(content):
    layout = layouts.iemocap_layout()
    texts = {path: text.encode() for path, text in layout.texts.items()}
    return {line.path: content for line in layout.lines} | texts


@functools.cache
def ingested(name):
    """Return rows, waveforms and metadata of a published archive."""
    members, settings, *_ = PUBLISHED_LAYOUTS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "archive")
        path.write_bytes((real_layouts.tarred if name == "IEMOCAP" else real_layouts.zipped)(members()))
        rows, waveforms, about = ingest.ingest(path, settings)
        return rows, list(waveforms), about


class TestPublishedLayouts:
    """Corpora in the layouts of the published archives."""

    @pytest.mark.parametrize("name", PUBLISHED_LAYOUTS)
    def test_utterances_speakers_and_verification(self, name):
        rows, waveforms, about = ingested(name)
        *_, speakers, counts = PUBLISHED_LAYOUTS[name]
        found = Counter(row["emotion"] for row in rows)
        assert tuple(found[emotion] for emotion in EMOTIONS) == counts
        assert len({row["speaker"] for row in rows}) == speakers
        assert [row["utterance"] for row in rows] == sorted(row["utterance"] for row in rows)
        assert (about["verification"]["level"], about["verification"]["warnings"]) == ("names", [])
        assert len(about["sha256"]) == len(about["recordings_sha256"]) == 64
        for row, waveform in zip(rows, waveforms, strict=True):
            assert len(waveform) == row["samples"] == real_layouts.SECONDS * 16_000
        assert [row["start"] for row in rows] == [800 * i for i in range(len(rows))]

    def test_samples_equal_those_of_the_recordings(self):
        """Include recordings with a header of 4096 bytes."""
        rows, waveforms, _ = ingested("EMODB-420")
        members = dict(real_layouts.emodb())
        assert real_layouts.LONG_HEADERS & {row["file"].removeprefix("wav/") for row in rows}
        for row, waveform in zip(rows, waveforms, strict=True):
            np.testing.assert_array_equal(waveform, real_layouts.first_channel(members[row["file"]], 16_000))

    def test_iemocap_speaker_is_that_of_the_turn(self):
        rows, _, about = ingested("IEMOCAP")
        assert about["verification"]["files"] == 10_039
        for row in rows:
            assert row["speaker"] == row["utterance"][:5] + row["utterance"].rsplit("_", 1)[1][0]
            assert row["group"] == row["utterance"][:5]
            assert row["gender"] == {"F": "female", "M": "male"}[row["speaker"][-1]]
        wrong_by_prefix = sum(row["utterance"][:6] != row["speaker"] for row in rows)
        assert 2_500 < wrong_by_prefix < 3_000

    def test_every_published_format_has_a_layout(self):
        assert {settings["format"] for _, settings, *_ in PUBLISHED_LAYOUTS.values()} == set(PUBLISHED)


def test_emodb_names_are_parsed(tmp_path, tone):
    write_archive(tmp_path / "emodb.zip", emodb_members(tone).items())
    by_name = {r.utterance: r for r in open_corpus(tmp_path / "emodb.zip", EMODB)[1].recordings}
    assert {r.speaker for r in by_name.values()} >= {"03", "08", "09"}  # not read as numbers
    assert by_name["03a01Fa"].emotion == "happy"  # F is Freude
    assert by_name["03a01Fa"].gender == "male"
    assert by_name["03a04Lc"].emotion == "sad"
    assert not any(name[5] in "AE" for name in by_name)  # fear and disgust are left out


@pytest.mark.parametrize(
    "edited",
    [
        lambda text: text.replace("\t", "  ").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: f"% caf\xe9\n{text}".replace("\n", "\r\n").encode("latin-1"),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-8-sig"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    ],
    ids=["spaces", "carriage returns", "Latin-1 with CRLF", "UTF-16", "byte order mark", "big-endian UTF-16"],
)
def test_iemocap_label_files_may_be_edited_elsewhere(tmp_path, tone, edited):
    members = iemocap_members(tone)
    before = open_corpus(write_tree(tmp_path / "before", members), IEMOCAP)[1].recordings
    labels = {name: edited(text.decode()) for name, text in members.items() if name.endswith(".txt")}
    assert open_corpus(write_tree(tmp_path / "after", members | labels), IEMOCAP)[1].recordings == before


def test_iemocap_missing_recordings_are_rejected(tmp_path, tone):
    members = iemocap_members(tone)
    missing = next(n for n in members if n.endswith("Ses02F_impro01_F000.wav"))
    del members[missing]
    write_tree(tmp_path, members)
    with pytest.raises(UserError, match="lacks the recordings of 1 labelled utterances: Ses02F_impro01_F000"):
        open_corpus(tmp_path, IEMOCAP)[1]
    with pytest.raises(UserError, match="not the full release"):
        open_corpus(write_tree(tmp_path, {missing: tone}), IEMOCAP | {"verify": "names"})[1]


def test_iemocap_duplicate_utterance_is_rejected(tmp_path, tone):
    """Two copies in one folder may differ in their labels."""
    members = iemocap_members(tone)
    labels = next(name for name in members if "Session1/dialog/EmoEvaluation/" in name and b"ang" in members[name])
    other = members[labels].replace(b"\tang\t", b"\tsad\t")
    write_tree(tmp_path / "labels", members | {f"old/{labels}": other})
    with pytest.raises(UserError, match=r"labels Ses01\S+ both \w+ and \w+, the latter in "):
        ingest.ingest(tmp_path / "labels", IEMOCAP)
    recording = next(name for name in members if "Session1/sentences/wav/" in name and "/._" not in name)
    write_tree(tmp_path / "audio", members | {f"old/{recording}": members[recording]})
    with pytest.raises(UserError, match=r"contains Ses01\S+ twice: "):
        ingest.ingest(tmp_path / "audio", IEMOCAP)


class TestEmodbVerification:
    """EMODB verification: altered audio is rejected, or accepted with a note."""

    def test_sha256_rejects_altered_audio(self, tmp_path, tone):
        write_archive(tmp_path / "emodb.zip", emodb_members(tone).items())
        with pytest.raises(UserError, match=r"535 of 535 files are not the published recordings.*`verify: names`"):
            open_corpus(tmp_path / "emodb.zip", EMODB | {"verify": "sha256"})[1]

    @pytest.mark.parametrize(("members", "settings", "files"), [(emodb_members, EMODB, 535), (urdu_members, URDU, 400)])
    def test_names_accepts_altered_audio_with_a_note(self, tmp_path, tone, members, settings, files):
        write_archive(tmp_path / "corpus.zip", members(tone).items())
        _, _, about = ingest.ingest(tmp_path / "corpus.zip", settings | {"verify": "names"})
        assert about["verification"]["altered"] == files
        assert about["verification"]["notes"] == ["altered audio, not comparable"]

    def test_names_lists_missing_files(self, tmp_path, tone):
        members = emodb_members(tone)
        del members["wav/03a01Fa.wav"]
        write_tree(tmp_path, members)
        with pytest.raises(UserError, match=r"missing: 03a01Fa\.wav"):
            open_corpus(tmp_path, EMODB)[1]

    def test_version_2_is_rejected(self, tmp_path, tone):
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
    """Wrong archives: one message says what is wrong and what to do."""

    def test_another_corpus_is_recognised(self, tmp_path, tone):
        write_tree(tmp_path, urdu_members(tone))
        with pytest.raises(UserError, match=r"is not an archive of format 'emodb'.*looks like format 'urdu'"):
            open_corpus(tmp_path, EMODB)[1]

    def test_urdu_folder_and_name_must_agree(self, tmp_path, tone):
        write_tree(tmp_path, {"Angry/SM1_F1_H01.wav": tone})
        with pytest.raises(UserError, match="folder of another emotion"):
            open_corpus(tmp_path, URDU)[1]

    def test_urdu_missing_and_unknown_files_are_listed(self, tmp_path, tone):
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
        with pytest.raises(UserError, match="folder of another actor"):
            open_corpus(tmp_path, RAVDESS)

    def test_ravdess_without_folders_is_read(self, tmp_path, tone):
        write_tree(tmp_path, dict.fromkeys(ravdess.published_names(), tone))
        assert len(open_corpus(tmp_path, RAVDESS)[1].recordings) == 672

    def test_two_copies_of_ravdess_are_rejected(self, tmp_path, tone):
        """One of the copies that circulate holds every file twice."""
        members = {f"Actor_{name[18:20]}/{name}": tone for name in ravdess.published_names()}
        write_tree(tmp_path, members | {f"audio_speech_actors_01-24/{name}": tone for name in members})
        message = r"contains 672 utterances more than once: Actor_01/\S+ and audio_speech_actors_01-24/Actor_01/\S+"
        with pytest.raises(UserError, match=message + r".*Remove one of the copies"):
            open_corpus(tmp_path, RAVDESS)

    def test_unknown_audio_is_reported_and_not_used(self, tmp_path, tone):
        write_tree(tmp_path, {f"wav/{name}": tone for name in published_files("emodb")} | {"wav/extra.wav": tone})
        contents = open_corpus(tmp_path, EMODB)[1]
        assert len(contents.recordings) == 420
        assert contents.verification["warnings"] == ["1 unknown audio files are not used: wav/extra.wav"]

    def test_iemocap_unlabelled_utterances_are_reported(self, tmp_path, tone):
        members = iemocap_members(tone)
        name = next(n for n in members if n.endswith("Ses02F_impro01_F000.wav"))
        members[name.replace("F000", "F999")] = tone
        contents = open_corpus(write_tree(tmp_path, members), IEMOCAP)[1]
        assert contents.verification["warnings"] == ["1 utterances have no label and are not used: Ses02F_impro01_F999"]

    def test_urdu_incomplete_corpus_is_rejected(self, tmp_path, tone):
        write_tree(tmp_path, {"Angry/SM1_F1_A01.wav": tone})
        with pytest.raises(UserError, match="1 angry, 0 happy"):
            open_corpus(tmp_path, URDU)[1]

    def test_all_unreadable_recordings_are_listed_at_once(self, tmp_path, tone):
        members = urdu_members(tone)
        bad = sorted(name for name in members if name.endswith(".wav"))[:3]
        for name in bad:
            members[name] = b"no audio"
        write_tree(tmp_path, members)
        with pytest.raises(UserError, match=rf"(?s)3 recordings cannot be used.*{bad[0]}.*{bad[1]}.*{bad[2]}"):
            ingest.ingest(tmp_path, URDU)
