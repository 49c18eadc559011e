"""Names of speakers, groups and labels in one normal form."""

import csv

import pytest
import soundfile

from ser.core import identity
from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.core.seeding import named_generator
from ser.corpora import ingest, splits

SAME = {
    "right-to-left mark": ("\u0639\u0644\u06cc", "\u0639\u0644\u06cc\u200f"),
    "composed and decomposed": ("Jos\u00e9", "Jose\u0301"),
    "zero-width space": ("Anna", "An\u200bna"),
    "byte order mark": ("Anna", "\ufeffAnna"),
    "soft hyphen": ("Anna", "An\u00adna"),
    "no-break space": ("Anna B", "Anna\u00a0B"),
    "full width": ("A1", "\uff21\uff11"),
    "dashes": ("spk-1", "spk\u20111"),
    "minus sign": ("spk-1", "spk\u22121"),
    "apostrophes": ("O'Neil", "O\u2019Neil"),
    "blanks": ("Anna B", "  Anna  B\t"),
}


@pytest.mark.parametrize("case", SAME)
def test_names_that_look_the_same_are_one(case):
    one, other = SAME[case]
    assert identity.normalise(one) == identity.normalise(other)


def test_names_that_differ_stay_different():
    names = ["Anna", "anna", "3", "03", "Jos\u00e9", "Jose", "\u0639\u0644\u06cc", "\u0639\u0644\u064a", "a_b", "a b"]
    assert len({identity.normalise(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("names", "similar"),
    [
        (["3", "03", "4"], "'03' and '3'"),
        (["3", "3.0"], "'3' and '3.0'"),
        (["SM1", "sm01"], "'SM1' and 'sm01'"),
        (["spk_1", "spk 1", "spk-01"], "'spk 1' and 'spk-01' and 'spk_1'"),
        (["\u0639\u0644\u06cc", "\u0639\u0644\u064a"], "'\u0639\u0644\u064a' and '\u0639\u0644\u06cc'"),
        (["Anna", "ANNA"], "'ANNA' and 'Anna'"),
        (["3", "\u0663"], "'3' and '\u0663'"),
        (["1", "10", "100", "1.5", "1.05", "SM1", "SM10", "a1b2", "a12b"], None),
    ],
)
def test_similar_names_are_warned_of(names, similar):
    warnings = identity.similar_names("speakers", names)
    assert len(warnings) == bool(similar)
    assert not similar or warnings[0].endswith(f"count as different: {similar}")


def write_corpus(folder, speakers, emotions=EMOTIONS, group=None):
    """Write a CSV in which every speaker has two recordings of each emotion."""
    rows = []
    for number, speaker in enumerate(speakers):
        for emotion in emotions:
            for take in range(2):
                name = f"{number}{len(rows)}{take}.wav"
                soundfile.write(folder / name, 0.1 * named_generator("identity", name).standard_normal(6_000), 16_000)
                rows.append((name, speaker, emotion, group(number) if group else ""))
    with open(folder / "mine.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "speaker", "emotion", "group"), *rows])
    return folder / "mine.csv"


SETTINGS = {"format": "table", "language": "Urdu"}


@pytest.mark.parametrize("case", ["blanks", "byte order mark"])
@pytest.mark.parametrize("column", ["speaker", "group"])
def test_no_split_separates_spellings_of_a_name(tmp_path, case, column):
    if column == "speaker":
        path = write_corpus(tmp_path, [*SAME[case], "B", "C"])
    else:
        path = write_corpus(tmp_path, ["s1", "s2", "s3", "s4"], group=lambda i: [*SAME[case], "B", "C"][i])
    rows, *_ = ingest.ingest(path, SETTINGS)
    assert len({row["group"] for row in rows}) == 3
    roles = splits.target_split(rows, [], 1, 2, "MINE")
    sides = {}
    for row in rows:
        sides.setdefault(row["group"], set()).add(roles[row["utterance"]])
    assert all(len(side) == 1 for side in sides.values())


def test_similar_speakers_are_warned_of_at_ingestion(tmp_path):
    *_, about = ingest.ingest(write_corpus(tmp_path, ["3", "03", "B"]), SETTINGS)
    assert any(
        "speakers that differ only in case, separators, number format" in w for w in about["verification"]["warnings"]
    )


def test_labels_are_compared_in_the_normal_form(tmp_path):
    path = write_corpus(tmp_path, ["A", "B"], ["angry\u200b", "joi\u0301e", "neutral", " sad "])
    rows, *_ = ingest.ingest(path, SETTINGS | {"labels": {"jo\u00ede": "happy", "joi\u0301e": "happy"}})
    assert {row["emotion"] for row in rows} == set(EMOTIONS)


@pytest.mark.parametrize("speaker", ["nan", "NaN", "<NA>", "None", "null", "n/a", "#REF!", "\\N", "-", "\u200b", " "])
def test_empty_speakers_are_rejected(tmp_path, speaker):
    with pytest.raises(UserError, match=r"mine\.csv, line \d+: speaker is (empty|.* as programs write an empty cell)"):
        ingest.ingest(write_corpus(tmp_path, ["A", speaker]), SETTINGS)


@pytest.mark.parametrize("header", ["Group", "GROUP ", "group\u200b", "group"])
def test_optional_columns_are_found_in_any_spelling(tmp_path, header):
    path = write_corpus(tmp_path, ["s1", "s2", "s3", "s4"], group=lambda i: "AABB"[i])
    path.write_text(path.read_text(encoding="utf-8").replace("group", header, 1), encoding="utf-8")
    rows, _, about = ingest.ingest(path, SETTINGS)
    assert {row["group"] for row in rows} == {"A", "B"}
    assert about["verification"]["warnings"] == []


def test_unused_columns_and_unclear_speakers_are_warned_of(tmp_path):
    path = write_corpus(tmp_path, ["unknown", "B"], group=lambda i: "AB"[i])
    path.write_text(path.read_text(encoding="utf-8").replace("group", "session", 1), encoding="utf-8")
    *_, about = ingest.ingest(path, SETTINGS)
    assert about["verification"]["warnings"] == [
        "columns that are not used: session",
        "'unknown' counts as one speaker",
    ]


def test_one_recording_with_two_emotions_is_warned_of(tmp_path):
    path = write_corpus(tmp_path, ["A", "B"])
    names = sorted(tmp_path.glob("*.wav"))
    names[2].write_bytes(names[0].read_bytes())
    names[1].write_bytes(names[3].read_bytes()[:-2])
    *_, about = ingest.ingest(path, SETTINGS)
    (warning,) = about["verification"]["warnings"]
    assert warning.startswith("1 recordings are labelled with more than one emotion: ")
    assert f"{names[0].stem} (angry) and {names[2].stem} (happy)" in warning
