"""Classification of audio files with a trained model."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ser.core.constants import EMOTIONS, SAMPLE_RATE
from ser.core.errors import UserError
from ser.core.files import files_under
from ser.core.paths import ADAPTED, CLEAN
from ser.corpora.audio import SHORTEST, decode, is_silent, trim_silence
from ser.corpora.suffixes import AUDIO_SUFFIXES, READABLE
from ser.deploy.trained import TrainedModel
from ser.models.batching import Frames
from ser.training import prediction

COLUMNS = ("file", "start", "end", "predicted", *EMOTIONS)
WINDOWS_IN_MEMORY = 16  # few, so that progress is visible on a CPU
BATCH = 4  # windows predicted together; it changes the probabilities by rounding at most
LEAST_TO_ADAPT = 20  # windows: the mean and deviation of fewer say little
LEAST_TO_WARN, ONE_CLASS = 20, 0.8  # rows, and the share of one class above which a warning is due
LONGEST = 35.0  # seconds: longer than all utterances of the corpora (IEMOCAP's longest has 34.1)
WINDOW = 10.0  # seconds, for longer recordings


@dataclass(frozen=True)
class Cutting:
    """Cutting of recordings into windows.

    All values are in seconds. Raises `UserError` for an invalid window or hop.

    Args:
        longest: recordings up to this length are classified as one utterance.
        window: length of the windows of longer recordings.
        hop: from the start of a window to the start of the next.
    """

    longest: float = LONGEST
    window: float = WINDOW
    hop: float = WINDOW / 2

    def __post_init__(self):
        least = SHORTEST / SAMPLE_RATE
        if not self.window >= least:
            raise UserError(f"a window of {self.window:g} s is too short: set --window to at least {least} s")
        if not least <= self.hop <= self.window:
            raise UserError(
                f"a hop of {self.hop:g} s is not allowed for windows of {self.window:g} s: set --hop to at least"
                f" {least} s and at most the window"
            )

    def windows(self, samples: int) -> list[tuple[int, int]]:
        """Return start and end of each window, in samples; the last ends the recording."""
        if samples <= max(self.longest, self.window) * SAMPLE_RATE:
            return [(0, samples)]
        window, hop = (round(seconds * SAMPLE_RATE) for seconds in (self.window, self.hop))
        starts = [*range(0, samples - window, hop), samples - window]
        return [(start, start + window) for start in starts]


WHOLE = Cutting(longest=float("inf"))  # every recording is one utterance


@dataclass(frozen=True)
class Window:
    """Window of a recording."""

    file: Path
    start: int  # samples at 16 kHz
    end: int


@dataclass(frozen=True)
class Prediction:
    """Predicted probabilities for a window of a recording, or for a whole one."""

    file: Path
    start: float  # seconds
    end: float
    probabilities: np.ndarray  # in the order of `EMOTIONS`

    @property
    def emotion(self) -> str:
        """Most probable emotion."""
        return EMOTIONS[self.probabilities.argmax()]

    @property
    def row(self) -> tuple[str, ...]:
        """Row of the CSV, with the columns `COLUMNS`."""
        times = (f"{seconds:.3f}" for seconds in (self.start, self.end))
        probabilities = (f"{value:.8f}" for value in self.probabilities)
        file = os.fsencode(self.file).decode("utf-8", "replace")  # a name may be invalid UTF-8
        return (file, *times, self.emotion, *probabilities)


class Classifier:
    """Trained model that predicts as the workflow does, from 16 kHz waveforms.

    Args:
        adapt: whether to adapt to the recordings as the condition `adapted` does.

    Raises `UserError` if a file of the model is damaged, or it has no calibration to adapt with.
    """

    def __init__(self, trained: TrainedModel, device: torch.device, adapt: bool = False):
        self.calibration = trained.calibration if adapt else None
        entry = trained.model
        self._device, self._weights = device, trained.weights
        self._model = prediction.load_model(entry, trained.encoder, trained.weights, device, whole=True)
        self._trim_db = trained.record["settings"].get("trim_db")
        self.limit = self._model.max_samples / SAMPLE_RATE  # seconds of input

    def check(self, cutting: Cutting) -> Cutting:
        """Return the cutting within the length of the model's input. Raises `UserError` if a window is longer."""
        if cutting == WHOLE:
            return WHOLE
        if cutting.window > self.limit:
            raise UserError(f"a window of {cutting.window:g} s is too long: this encoder's limit is {self.limit:g} s")
        return replace(cutting, longest=min(cutting.longest, self.limit))

    def frames(self, samples: np.ndarray) -> Frames:
        """Compute the input of the model's trained layers for a waveform.

        Silence is trimmed if the utterances of the model's source were trimmed.

        Args:
            samples: int16, (samples,), as from `ser.corpora.audio.decode`.
        """
        if self._trim_db is not None:
            samples = trim_silence(samples, self._trim_db)
        return self._model.frames_of(samples, self._device)

    def embeddings(self, frames: Sequence[Frames]) -> torch.Tensor:
        """Compute embeddings, (utterances, width)."""
        return self._model.embed_all(frames, BATCH, self._device)

    def probabilities(self, embedded: torch.Tensor) -> np.ndarray:
        """Predict (utterances, 4) probabilities. Raises `UserError` if not finite."""
        condition = CLEAN if self.calibration is None else ADAPTED
        return prediction.classify_embeddings(
            self._model, embedded, self._device, condition, self.calibration, self._weights
        )


def find_audio(paths: Iterable[Path]) -> list[Path]:
    """Return the given files, and the audio files in the given folders.

    Duplicates are removed. Raises `UserError` if a path does not exist, or a folder contains no audio.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = [file for file in files_under(path) if _is_audio(file)]
            if not inside:
                raise UserError(f"{path} contains no audio files: no file name ends in {', '.join(READABLE)}")
            found |= dict.fromkeys(inside)
        elif path.exists():
            found[path] = None
        else:
            raise UserError(f"{path} does not exist: pass audio files or folders")
    return list(found)


def _is_audio(path: Path) -> bool:
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")


def classify(
    classifier: Classifier, files: Iterable[Path], cutting: Cutting, skip: Callable[[Path, str], None]
) -> list[Prediction]:
    """Return the predictions for the windows of every file, in order, and show a progress bar.

    Args:
        skip: called with a file that cannot be used, and the reason; it has no predictions.

    Raises `UserError` if the classifier adapts and there are too few windows.
    """
    pending = tqdm(_windows(classifier, files, cutting, skip), "classified", unit=" windows")
    windows, embedded = [], []
    while chunk := list(itertools.islice(pending, WINDOWS_IN_MEMORY)):
        windows += [window for window, _ in chunk]
        embedded.append(classifier.embeddings([frames for _, frames in chunk]))
    if classifier.calibration is not None and len(windows) < LEAST_TO_ADAPT:
        raise UserError(
            f"--adapt needs at least {LEAST_TO_ADAPT} recordings or windows, of all emotions that you expect, and"
            f" there are {len(windows)}: pass more, or leave it out"
        )
    if not windows:
        return []
    probabilities = classifier.probabilities(torch.cat(embedded))
    return [
        Prediction(window.file, window.start / SAMPLE_RATE, window.end / SAMPLE_RATE, own)
        for window, own in zip(windows, probabilities, strict=True)
    ]


def _windows(classifier, files, cutting, skip) -> Iterator[tuple[Window, Frames]]:
    for file in files:
        try:
            samples = decode(file.read_bytes(), str(file))
            if cutting == WHOLE and len(samples) > classifier.limit * SAMPLE_RATE:
                raise UserError(
                    f"{file} is longer than this encoder's limit of {classifier.limit:g} s: leave out --whole"
                )
            # silent windows are left out, as silent recordings are
            audible = [
                (start, end) for start, end in cutting.windows(len(samples)) if not is_silent(samples[start:end])
            ]
            if not audible:
                raise UserError(f"{file} is silent in every window")
            for start, end in audible:
                yield Window(file, start, end), classifier.frames(samples[start:end])
        except (UserError, OSError) as error:
            skip(file, str(error))


def warning(predicted: Mapping[str, int], adapted: bool) -> str | None:
    """Return a warning if nearly all recordings got one class.

    Args:
        predicted: number of recordings or windows by predicted class.
        adapted: whether the model was adapted to them.
    """
    total, (emotion, most) = sum(predicted.values()), max(predicted.items(), key=lambda item: item[1])
    if total < LEAST_TO_WARN or most <= ONE_CLASS * total:
        return None
    advice = "" if adapted else ", or adapt the model to them: --adapt"
    return (
        f"{most} of {total} rows are {emotion}. If the recordings should have several emotions, the model cannot tell"
        " them apart here: they may differ from its training data in language, room or level. Check the labels by"
        f" ear{advice}"
    )


def average_by_file(predictions: Iterable[Prediction]) -> Iterator[Prediction]:
    """Yield one prediction per file: the mean of its windows' probabilities."""
    for file, group in itertools.groupby(predictions, key=lambda prediction: prediction.file):
        windows = list(group)
        mean = np.mean([window.probabilities for window in windows], axis=0)
        yield Prediction(file, windows[0].start, windows[-1].end, mean)
