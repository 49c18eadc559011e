"""Exact layouts of the published archives: all real names, short noise as audio."""

import hashlib
import io
import struct
import tarfile
import zipfile
from collections.abc import Iterable, Iterator

import numpy as np
from conftest import IEMOCAP_SESSIONS, wav_bytes

from ser.core.seeding import named_generator
from ser.corpora.formats import emovo, published_files, ravdess

SECONDS = 0.05  # per recording
LONG_HEADERS = {"03a01Fa.wav", "09b02Wd.wav", "13a05Ea.wav", "16b10Wb.wav"}  # EMODB files with headers of 4096 bytes

# IEMOCAP: dialogues per prefix (F or M); excited utterances and all utterances, by session.
SCRIPTS = ["script01_1", "script01_2", "script01_3", "script02_1", "script02_2", "script03_1", "script03_2"]
IMPROVISATIONS = {
    "Ses01": [f"impro{number:02d}" for number in range(1, 8)],
    "Ses02": [f"impro{number:02d}" for number in range(1, 9)],
    "Ses03": [*(f"impro{number:02d}" for number in (1, 2, 3, 4, 6, 7, 8)), "impro05a", "impro05b"],
    "Ses04": [f"impro{number:02d}" for number in range(1, 9)],
    "Ses05": [f"impro{number:02d}" for number in range(1, 9)],
}
EXCITED = {"Ses01": 143, "Ses02": 210, "Ses03": 151, "Ses04": 238, "Ses05": 299}
UTTERANCES = {"Ses01": 1819, "Ses02": 1811, "Ses03": 2136, "Ses04": 2103, "Ses05": 2170}


def recording(name: str, rate: int = 16_000, channels: int = 1) -> bytes:
    """Return short noise as WAV, different for every name."""
    shape = (int(SECONDS * rate), channels)
    return wav_bytes(0.1 * named_generator("recording", name).standard_normal(shape), rate, subtype="PCM_16")


def with_long_header(wav: bytes) -> bytes:
    """Return the same audio behind a header of 4096 bytes."""
    filler = b"\0" * (4096 - 44 - 8)
    riff = b"RIFF" + struct.pack("<I", len(wav) - 8 + len(filler) + 8) + b"WAVE"
    return riff + wav[12:36] + b"FLLR" + struct.pack("<I", len(filler)) + filler + wav[36:]


def emodb() -> Iterator[tuple[str, bytes]]:
    """Yield the members of EMODB's download.zip: 535 recordings, labels and texts."""
    yield "erklaerung.txt", "Erläuterungen".encode("latin-1")
    yield "erkennung.txt", b"Satz\tErkannt\r\n"
    for name in published_files("emodb"):
        content = recording(name)
        yield f"wav/{name}", with_long_header(content) if name in LONG_HEADERS else content
        for folder, suffix in (("lablaut", "lablaut"), ("labsilb", "labsilb"), ("silb", "silb")):
            yield f"{folder}/{name[:-4]}.{suffix}", b"0.1 122 -\n"


def emovo_archive() -> Iterator[tuple[str, bytes]]:
    """Yield the members of emovo.zip: 588 recordings at 48 kHz, all but one stereo."""
    yield "EMOVO/documents/README.pdf", b"%PDF-1.4"
    for index, name in enumerate(sorted(emovo.published_names())):
        yield f"EMOVO/{name[4:6]}/{name}", recording(name, 48_000, channels=1 if index == 400 else 2)
    yield "__MACOSX/EMOVO/f1/._neu-f1-b1.wav", b"\0\5\x16\7"


def urdu() -> Iterator[tuple[str, bytes]]:
    """Yield the members of URDU's repository archive: 400 recordings at 44.1 kHz."""
    root = "URDU-Dataset-4b546d4e0fa36d1c86c53a281631b2ab7ce2fdec"
    yield f"{root}/README.md", b"# URDU-Dataset\n"
    for entry in published_files("urdu").values():
        yield f"{root}/{entry['file']}", recording(entry["file"], 44_100)


def ravdess_archive() -> Iterator[tuple[str, bytes]]:
    """Yield the members of RAVDESS's zip: 1440 recordings at 48 kHz, some stereo."""
    for index, name in enumerate(sorted(ravdess.published_names())):
        yield f"Actor_{name[18:20]}/{name}", recording(name, 48_000, channels=2 if index % 200 == 7 else 1)


def iemocap() -> Iterator[tuple[str, bytes]]:
    """Yield the members of IEMOCAP_full_release: 151 dialogues, 10,039 utterances."""
    root = "IEMOCAP_full_release"
    yield f"{root}/README.txt", b"IEMOCAP database"
    yield f"{root}/._README.txt", b"\0\5\x16\7"
    for session, number in ((session, int(session[-1])) for session in IEMOCAP_SESSIONS):
        labels = _labels_of(session)
        dialogues = [f"{session}{prefix}_{part}" for prefix in "FM" for part in (*IMPROVISATIONS[session], *SCRIPTS)]
        if session == "Ses05":
            dialogues.append("Ses05M_script01_1b")
        folder = f"{root}/Session{number}"
        for index, dialogue in enumerate(dialogues):
            evaluation = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"]
            for turn, label in enumerate(labels[index :: len(dialogues)]):
                name = f"{dialogue}_{'FM'[turn % 2]}{turn // 2:03d}"
                times = f"[{turn * 4:.4f} - {turn * 4 + 3:.4f}]"
                evaluation.append(
                    f"{times}\t{name}\t{label}\t[2.5000, 2.5000, 2.5000]\n"
                    f"C-E1:\tAnger;\t()\nC-F1:\tHappiness;\t(caf\xe9)\nA-E1:\tval 3; act 3; dom  3;\t()\n\n"
                )
                yield f"{folder}/sentences/wav/{dialogue}/{name}.wav", recording(name)
            yield f"{folder}/sentences/wav/{dialogue}/._{name}.wav", b"\0\5\x16\7"
            encoding = "latin-1" if index % 2 else "utf-8"
            yield f"{folder}/dialog/EmoEvaluation/{dialogue}.txt", "".join(evaluation).encode(encoding)
            yield f"{folder}/dialog/EmoEvaluation/._{dialogue}.txt", b"\0\5\x16\7"
            for below, rater in (("Attribute", "atr"), ("Categorical", "cat"), ("Self-evaluation", "cat")):
                wrong = f"[0.0000 - 1.0000]\t{name}\tang\t[1.0000, 1.0000, 1.0000]\n"
                yield f"{folder}/dialog/EmoEvaluation/{below}/{dialogue}_e1_{rater}.txt", wrong.encode()
            yield f"{folder}/dialog/wav/{dialogue}.wav", b"not read"
            yield f"{folder}/dialog/avi/DivX/{dialogue}.avi", bytes(100)
    yield f"{root}/Session5/sentences/wav/Ses05M_impro01/Ses05M_impro01.txt", b"stray"


def _labels_of(session: str) -> list[str]:
    angry, happy, neutral, sad = IEMOCAP_SESSIONS[session]
    excited = EXCITED[session]
    labels = ["ang"] * angry + ["hap"] * (happy - excited) + ["exc"] * excited + ["neu"] * neutral + ["sad"] * sad
    rest = UTTERANCES[session] - len(labels)
    labels += [("fru", "xxx", "sur", "oth", "fea", "dis")[i % 6] for i in range(rest)]
    return named_generator("labels", session).permutation(labels).tolist()


def noise(environment: str) -> Iterator[tuple[str, bytes]]:
    """Yield the members of <ENVIRONMENT>_16k.zip: 16 channels; the first is used."""
    for channel in range(1, 17):
        samples = 0.1 * named_generator(environment, channel).standard_normal(16_000)
        yield f"{environment}/ch{channel:02d}.wav", wav_bytes(samples, subtype="PCM_16")


def zipped(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a zip archive of the members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def tarred(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a .tar.gz archive of the members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def checksums(members: Iterable[tuple[str, bytes]], key=lambda name: name) -> str:
    """Return a checksum table in the format of those in `resources/`."""
    lines = ["file\tbytes\tsha256"]
    lines += [f"{key(n)}\t{len(c)}\t{hashlib.sha256(c).hexdigest()}" for n, c in members if n.endswith(".wav")]
    return "\n".join(lines) + "\n"


def first_channel(wav: bytes, rate: int) -> np.ndarray:
    """Return the first channel, which ingestion keeps."""
    import soundfile

    samples, found = soundfile.read(io.BytesIO(wav), dtype="int16", always_2d=True)
    assert found == rate
    return samples[:, 0]
