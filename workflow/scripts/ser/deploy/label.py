"""Labels for recordings of any kind, by a trained model: what the workflow does with a corpus, file by file."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ser.core.constants import EMOTIONS, SAMPLE_RATE
from ser.core.errors import UserError
from ser.core.files import files_under
from ser.corpora.audio import SHORTEST, as_float, decode
from ser.deploy.trained import Trained
from ser.models import families, trainable_state
from ser.models.batching import Frames
from ser.models.log_mel import log_mel
from ser.training import inference

COLUMNS = ("file", "start", "end", "predicted", *EMOTIONS)
READ = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64", ".rf64")
AUDIO = (*READ, ".m4a", ".aac", ".wma", ".amr")  # of a folder: what cannot be read is named, not passed over
TOGETHER = 16  # windows whose frames are kept at a time: few, so that progress shows on a CPU too
BATCH = 4  # of them, of similar length, labelled together; it does not change their labels
LONGEST = 35.0  # seconds: no utterance of the corpora is longer, IEMOCAP's longest has 34.1
WINDOW = 10.0  # seconds, of a longer recording
WHISPER_HEARS = 30.0  # seconds, from the first


@dataclass(frozen=True)
class Cutting:
    """How a recording is cut into windows, in seconds. Raises `UserError` if that cannot be done.

    Args:
        longest: a recording of this length or less is labelled whole, as an utterance.
        window: of longer ones.
        hop: from the start of a window to the start of the next.
    """

    longest: float = LONGEST
    window: float = WINDOW
    hop: float = WINDOW / 2

    def __post_init__(self):
        least = SHORTEST / SAMPLE_RATE
        if not self.window >= least:
            raise UserError(f"a window of {self.window:g} s holds no speech: at least {least} s are needed")
        if not least <= self.hop <= self.window:
            raise UserError(
                f"a hop of {self.hop:g} s does not go with windows of {self.window:g} s: it is at least {least} s, and"
                " a longer one than the window would leave speech out"
            )

    def windows(self, samples: int) -> list[tuple[int, int]]:
        """First sample of each window, and the first behind it. The last window ends where the recording does."""
        if samples <= max(self.longest, self.window) * SAMPLE_RATE:
            return [(0, samples)]
        window, hop = (round(seconds * SAMPLE_RATE) for seconds in (self.window, self.hop))
        starts = [*range(0, samples - window, hop), samples - window]
        return [(start, start + window) for start in starts]


WHOLE = Cutting(longest=float("inf"))  # every recording an utterance


@dataclass(frozen=True)
class Window:
    """Part of a recording, as a model sees it."""

    file: Path
    start: int  # samples at 16 kHz
    end: int
    share: float  # of its file
    frames: Frames


@dataclass(frozen=True)
class Label:
    """What a model says of a part of a recording."""

    file: Path
    start: float  # seconds
    end: float
    probabilities: np.ndarray  # in the order of `EMOTIONS`

    @property
    def row(self) -> tuple[str, ...]:
        """As in the CSV: see `COLUMNS`."""
        times = (f"{seconds:.3f}" for seconds in (self.start, self.end))
        probabilities = (f"{value:.8f}" for value in self.probabilities)
        file = os.fsencode(self.file).decode("utf-8", "replace")  # a name may be no text
        return (file, *times, EMOTIONS[self.probabilities.argmax()], *probabilities)


class Classifier:
    """A trained model from 16 kHz waveforms to probabilities, the same as the workflow's own predictions."""

    def __init__(self, trained: Trained, device: torch.device):
        entry = trained.model
        self._device, self._folder, self._family = device, trained.folder, entry["family"]
        self._model = families.of(entry).build(entry, trained.encoder).to(device)
        trainable_state.load_trained_state(self._model, trained.folder / "weights.safetensors")
        self._frozen = None
        if families.name(entry) == families.FROZEN:
            self._frozen = families.load(entry["family"]).build(entry, trained.encoder).to(device).eval()
        self._model.eval()

    def check(self, cutting: Cutting) -> None:
        """Raise `UserError` if the model would not hear a window to its end."""
        if self._family == "whisper" and cutting.window > WHISPER_HEARS:
            raise UserError(f"Whisper hears {WHISPER_HEARS:g} s: a window of {cutting.window:g} s is too long")

    def frames(self, name: str, samples: np.ndarray) -> Frames:
        """What the untrained part of the model makes of a waveform.

        Args:
            samples: int16, (samples,).

        Raises `UserError`, with the name, if it is too short.
        """
        if self._family == "cnn-lstm":
            return Frames.all_real(torch.from_numpy(log_mel(as_float(samples))))
        model = self._model if self._frozen is None else self._frozen
        model.frame_count(name, len(samples))
        return model.frames_of(samples, self._device)

    def probabilities(self, frames: Sequence[Frames]) -> np.ndarray:
        """Of every emotion, (utterances, 4). Raises `UserError` if they are no numbers."""
        if self._frozen is not None:
            pooled = torch.from_numpy(self._frozen.pooled(frames, self._device)).to(self._device)
            frames = [Frames.all_real(vector) for vector in pooled.split(1)]
        found = inference.probabilities(self._model, frames, BATCH, self._device)
        if not np.isfinite(found).all():
            raise UserError(f"{self._folder}: predicted probabilities contain NaN or infinity. Train the model again.")
        return found


def find_audio(paths: Iterable[Path]) -> list[Path]:
    """The files among some paths, and the audio files in the folders among them, in order, each once.

    Raises `UserError` if a path does not exist, or a folder holds no audio.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = [file for file in files_under(path) if _is_audio(file)]
            if not inside:
                raise UserError(f"{path} holds no audio file: none of its files ends in {', '.join(READ)}")
            found |= dict.fromkeys(inside)
        elif path.exists():
            found[path] = None
        else:
            raise UserError(f"{path} does not exist")
    return list(found)


def _is_audio(path: Path) -> bool:
    return path.suffix.lower() in AUDIO and not path.name.startswith(".")


def label(
    classifier: Classifier,
    files: Iterable[Path],
    cutting: Cutting,
    skip: Callable[[Path, str], None],
    done: Callable[[Path, float], None],
) -> Iterator[Label]:
    """Labels of the windows of every file, in order.

    Args:
        skip: called with a file that cannot be used, and why; it has no labels.
        done: called when a share of a file is labelled.
    """
    windows = _windows(classifier, files, cutting, skip)
    while together := list(itertools.islice(windows, TOGETHER)):
        found = classifier.probabilities([window.frames for window in together])
        for window, probabilities in zip(together, found, strict=True):
            done(window.file, window.share)
            yield Label(window.file, window.start / SAMPLE_RATE, window.end / SAMPLE_RATE, probabilities)


def _windows(classifier, files, cutting, skip) -> Iterator[Window]:
    for file in files:
        try:
            samples = decode(file.read_bytes(), str(file))
            # in a silent window there is nothing to label, as in a silent recording
            heard = [(start, end) for start, end in cutting.windows(len(samples)) if samples[start:end].any()]
            for start, end in heard:
                frames = classifier.frames(str(file), samples[start:end])
                yield Window(file, start, end, 1 / len(heard), frames)
        except (UserError, OSError) as error:
            skip(file, str(error))


def by_file(labels: Iterable[Label]) -> Iterator[Label]:
    """One label a file: the mean of its windows' probabilities."""
    for file, of_file in itertools.groupby(labels, key=lambda one: one.file):
        windows = list(of_file)
        mean = np.mean([window.probabilities for window in windows], axis=0)
        yield Label(file, windows[0].start, windows[-1].end, mean)
