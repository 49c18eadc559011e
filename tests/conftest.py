"""Shared fixtures: short recordings, utterances of real corpora, a finished demo."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg  # noqa: F401 (its BLAS is limited below)
import soundfile
import torch
import yaml
from filelock import FileLock
from threadpoolctl import threadpool_limits
from workflow_tools import ROOT, Workflow

# tests may run beside a workflow, and idle BLAS threads would occupy its cores
torch.set_num_threads(1)
threadpool_limits(1)
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from ser.core.constants import EMOTIONS  # noqa: E402
from ser.core.paths import CLEAN  # noqa: E402
from ser.core.seeding import named_generator  # noqa: E402
from ser.corpora.formats import emodb, emovo, published_files, ravdess  # noqa: E402
from ser.demo.layouts import urdu_speakers  # noqa: E402
from ser.models.batching import Frames  # noqa: E402
from ser.training import prediction  # noqa: E402

# IEMOCAP utterances per session: angry, happy (including excited), neutral, sad; 5531 in total.
IEMOCAP_SESSIONS = {
    "Ses01": (229, 278, 384, 194),
    "Ses02": (137, 327, 362, 197),
    "Ses03": (240, 286, 320, 305),
    "Ses04": (327, 303, 258, 143),
    "Ses05": (170, 442, 384, 245),
}


def wav_bytes(samples, rate=16_000, **options) -> bytes:
    """Encode float samples as WAV."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def tone() -> bytes:
    """Return a short audible recording."""
    return wav_bytes(0.3 * np.sin(2 * np.pi * 220 * np.arange(8_000) / 16_000))


def noise_bytes(name: str, samples: int = 8_000) -> bytes:
    """Return noise as WAV, different for every name."""
    return wav_bytes(0.1 * named_generator("recording", name).standard_normal(samples))


def write_tree(folder: Path, members: dict[str, bytes]) -> Path:
    """Write members as files under a folder."""
    for name, content in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def real_rows(corpus: str) -> list[dict]:
    """Return the utterances of a real corpus: true names, speakers, groups, counts."""
    if corpus.startswith("EMODB"):
        labels = emodb.EMOTIONS | ({"L": "sad"} if corpus == "EMODB-420" else {})
        return [
            {"utterance": name[:-4], "speaker": name[:2], "group": name[:2], "emotion": labels[name[5]]}
            for name in published_files("emodb")
            if name[5] in labels
        ]
    if corpus == "EMOVO":
        return [
            {"utterance": name[:-4], "speaker": name[4:6], "group": name[4:6], "emotion": emovo.EMOTIONS[name[:3]]}
            for name in sorted(emovo.published_names())
            if name[:3] in emovo.EMOTIONS
        ]
    if corpus == "RAVDESS":
        return [
            {
                "utterance": name[:-4],
                "speaker": name[18:20],
                "group": name[18:20],
                "emotion": ravdess.EMOTIONS[name[6:8]],
            }
            for name in sorted(ravdess.published_names())
            if name[6:8] in ravdess.EMOTIONS
        ]
    counts = IEMOCAP_SESSIONS if corpus == "IEMOCAP" else urdu_speakers()
    return [
        {"utterance": f"{group}_{emotion}{i}", "speaker": group, "group": group, "emotion": emotion}
        for group, group_counts in counts.items()
        for emotion, count in zip(EMOTIONS, group_counts, strict=True)
        for i in range(count)
    ]


# Recordings of a corpus in EMOVO's layout: two of every emotion and speaker.
SMALL_EMOVO = [
    f"EMOVO/{speaker}/{emotion}-{speaker}-{sentence}.wav"
    for speaker in ("f1", "f2", "f3", "m1", "m2", "m3")
    for emotion in ("rab", "gio", "neu", "tri")
    for sentence in ("b1", "b2")
]

COMMITS = ("a" * 40, "b" * 40)


@pytest.fixture(scope="session")
def finished_demo(tmp_path_factory):
    """Run a small demo with one seed, once for all workers; tests copy it or undo their changes.

    Wav2Vec2 is in a Hugging Face Hub repository with two commits in the local cache.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished_demo"
    shared.mkdir(exist_ok=True)
    with FileLock(shared / "lock"):
        workflow = Workflow(shared / "repository")
        workflow.environment |= {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(shared / "hub")}
        if not (shared / "done").exists():
            run_small_demo(workflow)
            (shared / "done").touch()
    return workflow.copy(base / "demo")


def run_small_demo(workflow) -> None:
    """Configure and run the reduced demo."""
    from small_checkpoints import LAYER_NORM, save_wav2vec2

    for commit in COMMITS:
        folder = Path(workflow.environment["HF_HUB_CACHE"], "models--tests--small", "snapshots", commit)
        save_wav2vec2(folder, **LAYER_NORM)
    config = yaml.safe_load((ROOT / "demo" / "config" / "config.yaml").read_text(encoding="utf-8"))
    config["seeds"] = [1]
    one_pair = {"sources": ["English"], "targets": ["German"]}
    config["models"]["xlsr"]["tuning"] |= {"rank": 8, "alpha": 16}
    config["models"]["wav2vec2"] |= {"checkpoint": "tests/small", "revision": COMMITS[0]}
    config["models"]["cnn-lstm"]["training"]["epochs"] = 3
    config["models"]["wav2vec2-full"]["training"] = {"epochs": 1}
    config["experiments"] = {
        "table2": {
            "models": ["cnn-lstm", "xlsr"],
            "sources": ["English", "German"],
            "targets": ["English", "German", "Italian"],
        },
        "table2_converged": {"models": ["cnn-lstm-converged"]} | one_pair,
        "figure2": {"models": ["cnn-lstm"], "source": "English", "targets": ["German"], "shots": [0, 50]},
        "figure3": {"models": ["cnn-lstm", "xlsr"], "source": "English", "targets": ["German"], "condition": "noisy"},
        "random_init": {"models": ["cnn-lstm", "wav2vec2-random"]} | one_pair,
        "tuning": {"models": ["xlsr-frozen", "xlsr"]} | one_pair,
    }
    workflow.configure(config)
    workflow.run("--cores", "2")


DIFFERENCES: dict[str, list[float]] = {}


def assert_close(tolerance: float, actual, expected, comparison: str) -> None:
    """Assert a maximum absolute difference, and record it for the test summary."""
    difference = float((torch.as_tensor(actual) - torch.as_tensor(expected)).abs().max())
    DIFFERENCES.setdefault(comparison, []).append(difference)
    assert difference <= tolerance, f"{comparison}: {difference} > {tolerance}"


def pytest_sessionfinish(session):
    """Send a worker's differences to the main process."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["differences"] = DIFFERENCES


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Collect the differences of all workers."""
    for comparison, differences in getattr(node, "workeroutput", {}).get("differences", {}).items():
        DIFFERENCES.setdefault(comparison, []).extend(differences)


def pytest_terminal_summary(terminalreporter):
    """Print the largest difference of each comparison."""
    if DIFFERENCES:
        terminalreporter.section("largest differences")
        for comparison, differences in sorted(DIFFERENCES.items()):
            terminalreporter.write_line(f"{max(differences):.1e}  of {len(differences):3d}  {comparison}")


def probabilities(model, frames, batch_size: int) -> np.ndarray:
    """Predict as the jobs do: (utterances, 4)."""
    device = torch.device("cpu")
    embedded = model.embed_all(frames, batch_size, device)
    return prediction.classify_embeddings(model, embedded, device, CLEAN, None, "weights")


def random_frames(count, rng=None):
    """Return random frames of different lengths with 64 bands."""
    rng = rng or np.random.default_rng()
    values = [rng.standard_normal((length, 64)).astype(np.float32) for length in rng.integers(5, 120, count)]
    return [Frames.all_real(torch.from_numpy(utterance)) for utterance in values]
