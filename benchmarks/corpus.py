"""Time and memory of ingestion, overlap search and loading at IEMOCAP's size.

    python benchmarks/corpus.py [--every N] [folder with about 3 GB of room]

Writes noise with the lengths of IEMOCAP's 5531 recordings (iemocap-seconds.txt), or of every Nth, in its layout, as a
folder and as a .tar.gz. Each step runs in its own process.
"""

import argparse
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

from ser.core import files  # noqa: E402
from ser.core.constants import SAMPLE_RATE, UTTERANCE_COLUMNS  # noqa: E402
from ser.corpora import audio_array, overlaps  # noqa: E402
from ser.corpora import ingest as ingestion  # noqa: E402
from ser.demo.writing import as_wav  # noqa: E402

SETTINGS = {"format": "iemocap", "language": "English", "verify": "none"}
LABELS = ("ang", "hap", "neu", "sad")


def members(every: int):
    """Yield label files and recordings of five sessions with ten dialogues each."""
    generator = np.random.default_rng(0)
    seconds = np.loadtxt(ROOT / "benchmarks" / "iemocap-seconds.txt")[::every]
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


def write_corpus(folder: Path, every: int) -> None:
    """Write the corpus as a folder and as a .tar.gz."""
    with tarfile.open(folder / "corpus.tar.gz", "w:gz", compresslevel=1) as archive:
        for name, content in members(every):
            path = folder / "corpus" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def ingest(folder: Path, packing: str) -> None:
    """Ingest the corpus, as the rule `corpus` does."""
    rows, waveforms, _ = ingestion.ingest(folder / packing, SETTINGS)
    audio_array.write_array(folder / "audio.npy", waveforms, sum(row["samples"] for row in rows))
    files.write_rows(folder / "utterances.csv", UTTERANCE_COLUMNS, rows)


def search_overlaps(folder: Path) -> None:
    """Search for overlaps, as the rule `overlaps` does."""
    rows = files.read_rows(folder / "utterances.csv")
    waveforms = audio_array.waveforms_of(rows, audio_array.open_audio(folder / "audio.npy"))
    assert not overlaps.find_overlaps([row["utterance"] for row in rows], waveforms)


def open_corpus(folder: Path) -> None:
    """Open the corpus, as jobs with a model do before computing features."""
    rows = files.read_rows(folder / "utterances.csv")
    assert len(audio_array.waveforms_of(rows, audio_array.open_audio(folder / "audio.npy"))) == len(rows)


STEPS = {
    "ingestion of a folder": lambda folder: ingest(folder, "corpus"),
    "ingestion of a .tar.gz": lambda folder: ingest(folder, "corpus.tar.gz"),
    "overlaps": search_overlaps,
    "opening": open_corpus,
}


def measure(step: str, folder: Path) -> None:
    """Run a step, and print its time and memory as JSON."""
    started = time.perf_counter()
    STEPS[step](folder)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        return measure(given.step, given.folder)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        write_corpus(Path(folder), given.every)
        print("| step | wall s | peak memory MB |\n|---|---:|---:|")
        for step in STEPS:
            command = [sys.executable, __file__, folder, "--step", step]
            measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(f"| {step} | {measured['seconds']:.2f} | {measured['megabytes']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
