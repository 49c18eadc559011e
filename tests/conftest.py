"""What tests share: corpora in the real layouts, made on the spot."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

torch.set_num_threads(1)  # tests may share the cores with a workflow
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from ser.batches import Frames  # noqa: E402
from ser.corpora import emodb, emovo, published_files, ravdess  # noqa: E402
from ser.demo.layouts import URDU_SPEAKERS  # noqa: E402
from ser.randomness import named_generator  # noqa: E402
from ser.vocabulary import EMOTIONS  # noqa: E402

# Utterances of IEMOCAP's sessions as angry, happy (with excited), neutral, sad: 5531 in all.
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
    """A short audible recording."""
    return wav_bytes(0.3 * np.sin(2 * np.pi * 220 * np.arange(8_000) / 16_000))


def noise_bytes(name: str, samples: int = 8_000) -> bytes:
    """A recording that no other name has."""
    return wav_bytes(0.1 * named_generator("recording", name).standard_normal(samples))


def write_tree(folder: Path, members: dict[str, bytes]) -> Path:
    """Write members as files under a folder."""
    for name, content in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def real_rows(corpus: str) -> list[dict]:
    """Utterances of a real corpus as far as splits see them: true names, speakers, groups and counts."""
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
    counts = IEMOCAP_SESSIONS if corpus == "IEMOCAP" else URDU_SPEAKERS
    return [
        {"utterance": f"{group}_{emotion}{i}", "speaker": group, "group": group, "emotion": emotion}
        for group, of_group in counts.items()
        for emotion, count in zip(EMOTIONS, of_group, strict=True)
        for i in range(count)
    ]


DIFFERENCES: dict[str, list[float]] = {}


def assert_equal_to(tolerance: float, actual, expected, equality: str) -> None:
    """Assert that the largest absolute difference is within a tolerance, and keep it for the summary of the tests."""
    difference = float((torch.as_tensor(actual) - torch.as_tensor(expected)).abs().max())
    DIFFERENCES.setdefault(equality, []).append(difference)
    assert difference <= tolerance, f"{equality}: {difference} > {tolerance}"


def pytest_terminal_summary(terminalreporter):
    """The largest difference of every equality that was tested."""
    if DIFFERENCES:
        terminalreporter.section("largest differences")
        for equality, differences in sorted(DIFFERENCES.items()):
            terminalreporter.write_line(f"{max(differences):.1e}  of {len(differences):3d}  {equality}")


def random_frames(count, rng=None):
    """Frames of utterances of different lengths, 64 wide."""
    rng = rng or np.random.default_rng()
    values = [rng.standard_normal((length, 64)).astype(np.float32) for length in rng.integers(5, 120, count)]
    return [Frames.all_real(torch.from_numpy(utterance)) for utterance in values]
