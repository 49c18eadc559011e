"""Time and memory of ingesting a corpus of IEMOCAP's size, of looking for overlaps in it, and of opening it.

    python benchmarks/corpus.py [folder with about 3 GB of room]

Makes noise of IEMOCAP's 5531 lengths (iemocap-seconds.txt) in its layout, as a folder and as a .tar.gz,
and runs each step in a process of its own.
"""

import io
import json
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from ser import audio, files, ingestion, overlaps  # noqa: E402
from ser.demo.writing import as_wav  # noqa: E402
from ser.vocabulary import SAMPLE_RATE, UTTERANCE_COLUMNS  # noqa: E402

SETTINGS = {"format": "iemocap", "language": "English", "verify": "none"}
LABELS = ("ang", "hap", "neu", "sad")


def members():
    """Label files and recordings of five sessions of ten dialogues."""
    generator = np.random.default_rng(0)
    seconds = np.loadtxt(ROOT / "benchmarks" / "iemocap-seconds.txt")
    for dialogue in range(50):
        session = dialogue % 5 + 1
        name = f"Ses0{session}F_impro{dialogue // 5:02d}"
        root = f"IEMOCAP_full_release/Session{session}"
        lines = []
        for turn, length in enumerate(seconds[dialogue::50]):
            utterance = f"{name}_{'FM'[turn % 2]}{turn:03d}"
            lines.append(f"[0.0000 - 1.0000]\t{utterance}\t{LABELS[turn % 4]}\t[2.5000, 2.5000, 2.5000]\n")
            samples = generator.normal(0, 1_000, round(length * SAMPLE_RATE)).astype(np.int16)
            yield f"{root}/sentences/wav/{name}/{utterance}.wav", as_wav(samples, SAMPLE_RATE)
        yield f"{root}/dialog/EmoEvaluation/{name}.txt", "".join(lines).encode()


def make(folder: Path) -> None:
    """Write both packings."""
    with tarfile.open(folder / "corpus.tar.gz", "w:gz", compresslevel=1) as archive:
        for name, content in members():
            path = folder / "corpus" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def ingest(folder: Path, packing: str) -> None:
    """What the rule `corpus` does."""
    rows, waveforms, _ = ingestion.ingest(folder / packing, SETTINGS)
    audio.write_array(folder / "audio.npy", waveforms, sum(row["samples"] for row in rows))
    files.write_rows(folder / "utterances.csv", UTTERANCE_COLUMNS, rows)


def look_for_overlaps(folder: Path) -> None:
    """What the rule `overlaps` does."""
    rows = files.read_rows(folder / "utterances.csv")
    waveforms = audio.waveforms_of(rows, audio.open_audio(folder / "audio.npy", rows))
    assert not overlaps.find_overlaps([row["utterance"] for row in rows], waveforms)


def open_corpus(folder: Path) -> None:
    """What a job with a model does before its front end hears anything."""
    rows = files.read_rows(folder / "utterances.csv")
    assert len(audio.waveforms_of(rows, audio.open_audio(folder / "audio.npy", rows))) == 5531


STEPS = {
    "ingestion of a folder": lambda folder: ingest(folder, "corpus"),
    "ingestion of a .tar.gz": lambda folder: ingest(folder, "corpus.tar.gz"),
    "overlaps": look_for_overlaps,
    "opening": open_corpus,
}


def main(folder: Path) -> None:
    make(folder)
    print("| step | wall s | peak memory MB |\n|---|---:|---:|")
    for step in STEPS:
        command = [sys.executable, __file__, str(folder), step]
        measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"| {step} | {measured['seconds']:.2f} | {measured['megabytes']:.0f} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        started = time.perf_counter()
        STEPS[sys.argv[2]](Path(sys.argv[1]))
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
    else:
        with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as temporary:
            main(Path(temporary))
