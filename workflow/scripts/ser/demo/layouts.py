"""Archive layouts of the published corpora: file names, speakers and emotions.

The demo's archives have the form of the published ones, but other contents and fewer utterances.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ser.core.constants import EMOTIONS
from ser.corpora.formats import emodb, emovo, iemocap, published_files, urdu


@dataclass(frozen=True)
class Line:
    """Utterance to synthesise as one file of the archive."""

    path: str
    speaker: str
    gender: str
    emotion: str
    sentence: int


@dataclass(frozen=True)
class Layout:
    """Layout of an archive: lines to synthesise, text files and audio format."""

    lines: list[Line]
    sample_rate: int
    texts: dict[str, str] = field(default_factory=dict)
    stereo: Callable[[str], bool] = lambda path: False


def emodb_layout() -> Layout:
    """Return EMODB's layout: ten speakers, six sentences in each emotion.

    One sentence is also spoken in fear, which no experiment uses.
    """
    letters = {emotion: letter for letter, emotion in emodb.EMOTIONS.items()}
    speakers = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")
    sentences = ("a01", "a02", "a04", "a05", "b01", "b02")
    lines = []
    for speaker in speakers:
        gender = "male" if speaker in emodb.MEN else "female"
        for index, sentence in enumerate(sentences):
            for emotion in EMOTIONS:
                path = f"wav/{speaker}{sentence}{letters[emotion]}a.wav"
                lines.append(Line(path, speaker, gender, emotion, index))
        lines.append(Line(f"wav/{speaker}{sentences[0]}Aa.wav", speaker, gender, "happy", 0))
    return Layout(lines, 16_000, {"erkennung.txt": "synthetic demo\n", "erklaerung.txt": "synthetic demo\n"})


def emovo_layout() -> Layout:
    """Return EMOVO's layout: six speakers, ten of the 14 sentences in each emotion.

    The audio is 48 kHz, and stereo except for one file.
    """
    letters = {emotion: letters for letters, emotion in emovo.EMOTIONS.items()}
    lines = [
        Line(
            f"EMOVO/{speaker}/{letters[emotion]}-{speaker}-{sentence}.wav",
            speaker,
            "male" if speaker.startswith("m") else "female",
            emotion,
            index,
        )
        for speaker in emovo.SPEAKERS
        for emotion in EMOTIONS
        for index, sentence in enumerate(emovo.SENTENCES[:10])
    ]
    return Layout(lines, 48_000, stereo=lambda path: path != lines[0].path)


def urdu_speakers() -> dict[str, tuple[int, ...]]:
    """Return the number of utterances of each speaker of URDU in every emotion, men first."""
    files = [re.search(urdu.PATTERN, row["file"]) for row in published_files("urdu").values()]
    counts = Counter((f"S{file[2]}{file[3]}", urdu.EMOTIONS[file[5]]) for file in files)
    speakers = sorted({speaker for speaker, _ in counts}, key=lambda speaker: (speaker[1] == "F", int(speaker[2:])))
    return {speaker: tuple(counts[speaker, emotion] for emotion in EMOTIONS) for speaker in speakers}


def urdu_layout() -> Layout:
    """Return URDU's layout: 29 speakers with half as many utterances each.

    Speaker and emotion are confounded as in the real corpus.
    """
    lines = []
    for emotion_index, emotion in enumerate(EMOTIONS):
        folder = emotion.capitalize()
        number = 0
        for speaker, counts in urdu_speakers().items():
            gender = "male" if speaker[1] == "M" else "female"
            for file in range(1, counts[emotion_index] // 2 + 1):
                number += 1
                path = f"URDU-Dataset/{folder}/{speaker}_F{file}_{folder[0]}0{number}.wav"
                lines.append(Line(path, speaker, gender, emotion, number))
    return Layout(lines, 44_100, {"URDU-Dataset/README.md": "synthetic demo\n"})


def iemocap_layout() -> Layout:
    """Return IEMOCAP's layout: five sessions of two speakers in two dialogues each.

    The text files include evaluations and files that ingestion ignores.
    """
    codes = {emotion: code for code, emotion in iemocap.EMOTIONS.items() if code != "exc"}
    lines, texts = [], {}
    for session in range(1, 6):
        root = f"IEMOCAP_full_release/Session{session}"
        for dialogue in (f"Ses0{session}F_impro01", f"Ses0{session}M_script01_1"):
            evaluation = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"]
            turn = 0
            for sex, gender in (("F", "female"), ("M", "male")):
                for index in range(3):
                    for emotion in (*EMOTIONS, "frustrated") if index == 0 else EMOTIONS:
                        name = f"{dialogue}_{sex}{turn:03d}"
                        # half of the happy turns are labelled as excited, which counts as happy
                        code = "exc" if emotion == "happy" and index % 2 else codes.get(emotion, "fru")
                        evaluation.append(
                            f"[{turn * 4:.4f} - {turn * 4 + 3:.4f}]\t{name}\t{code}\t[2.5000, 2.5000, 2.5000]\n"
                            f"C-E1:\t{emotion.capitalize()};\t()\nA-E1:\tval 3; act 3; dom  3;\t()\n"
                        )
                        spoken = emotion if emotion in EMOTIONS else "angry"
                        path = f"{root}/sentences/wav/{dialogue}/{name}.wav"
                        lines.append(Line(path, f"Ses0{session}{sex}", gender, spoken, turn))
                        turn += 1
            texts[f"{root}/dialog/EmoEvaluation/{dialogue}.txt"] = "\n".join(evaluation)
            texts[f"{root}/dialog/EmoEvaluation/Categorical/{dialogue}_e1_cat.txt"] = f"{dialogue}_F000 :Neutral; ()\n"
            texts[f"{root}/dialog/EmoEvaluation/._{dialogue}.txt"] = "not text"
    return Layout(lines, 16_000, texts)


LAYOUTS = {"emodb": emodb_layout, "emovo": emovo_layout, "iemocap": iemocap_layout, "urdu": urdu_layout}
