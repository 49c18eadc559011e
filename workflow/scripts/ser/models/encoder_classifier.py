"""What the pre-trained encoders share: tuning, average pooling, the head, and where training begins."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ser.core.constants import SAMPLE_RATE
from ser.core.errors import UserError, listing
from ser.core.files import read_json
from ser.corpora.audio import as_float, open_audio, waveforms_of
from ser.models.adaptation import tune
from ser.models.batching import Frames, mean_of_real_frames, pad, sorted_batches
from ser.models.classification_head import classifier
from ser.models.feature_store import Storage
from ser.models.oom import retry_on_oom

POOLED_TOGETHER = 16  # utterances; it does not change their vectors


class FoundationModel(nn.Module):
    """Encoder, average over an utterance's own frames, hidden layer, output.

    What comes before the first trained parameter is constant, so it is computed once per run, by `read_frames`,
    and `forward` goes on from there: behind the features if everything is trained, else behind the front end. Of a
    frozen encoder all is constant: `pooled` gives it, for `ser.models.frozen_head`.

    Args:
        encoder: see `ser.models.wav2vec2.Encoder`, `ser.models.whisper.Encoder`.
        settings: the model's entry, with `weights` and `tuning`.
    """

    def __init__(self, encoder: nn.Module, settings: dict):
        super().__init__()
        self.encoder = encoder
        self.encoder_parameters = count(encoder)
        self.trains_all = settings["weights"] == "random"
        if not self.trains_all:
            tune(encoder, settings["tuning"])
        self.head = classifier(encoder.hidden_size)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Logits of shape (batch, 4).

        Args:
            frames: (batch, frames, width), as `read_frames` gave them, padded.
            lengths: real frames of each utterance, (batch,), int64 on the CPU.
        """
        if self.trains_all:
            frames, lengths = self._trained_front_end(frames, lengths)
        return self.head(mean_of_real_frames(self.encoder(frames, lengths), lengths))

    def _trained_front_end(self, features, lengths):
        """In training, of the padded batch; in evaluation, of each utterance alone, as the stock model computes it."""
        if self.training:
            return self.encoder.padded_front_end(features, lengths)
        alone = [Frames(own, int(length)) for own, length in zip(features, lengths, strict=True)]
        return pad([self.encoder.front_end(own, features.device) for own in alone], features.device)

    def read_frames(self, path, utterances: list[dict], wanted: Collection[str], storage: Storage) -> list[Frames]:
        """The constant part's output for the wanted utterances of a corpus, float32, in the storage.

        Args:
            path: the corpus's audio.npy.
            utterances: all rows of the corpus.

        Raises `UserError`, naming the utterance, if it is too short for the encoder.
        """
        self.eval()
        chosen = set(wanted)
        rows = [row for row in utterances if row["utterance"] in chosen]
        counts = [self.frame_count(row["utterance"], int(row["samples"])) for row in rows]
        width = self.encoder.feature_width if self.trains_all else self.encoder.frame_width
        rooms = storage.room(sum(counts), width).split(counts)
        waveforms, frames = waveforms_of(rows, open_audio(path)), []
        for waveform, room in zip(waveforms, rooms, strict=True):
            found = self.frames_of(waveform, storage.device)
            frames.append(Frames(room.copy_(found.values), found.real))
        return frames

    @torch.no_grad()
    def frames_of(self, samples: np.ndarray, device: torch.device) -> Frames:
        """The constant part's output for one utterance, float32.

        Args:
            samples: int16, (samples,), long enough for a frame: see `frame_count`.
        """
        with _without_onednn():
            found = self.encoder.features(as_float(samples))
            return found if self.trains_all else self.encoder.front_end(found, device)

    def frame_count(self, utterance: str, samples: int) -> int:
        """Frames that `frames_of` makes of an utterance. Raises `UserError`, naming it, if it is too short for one."""
        if (count := self.encoder.frame_count(samples)) < 1:
            raise UserError(f"{utterance}: {samples} samples are too few for one frame of this encoder")
        return self.encoder.feature_count(samples) if self.trains_all else count

    @torch.inference_mode()
    def pooled(self, frames: Sequence[Frames], device: torch.device) -> np.ndarray:
        """The encoder's average over each utterance: float32, (utterances, width).

        Args:
            frames: as `read_frames` gave them.
        """
        self.eval()

        def of(parts):
            padded = [pad([frames[i] for i in part], device) for part in parts]
            return torch.cat([mean_of_real_frames(self.encoder(*batch), batch[1]) for batch in padded])

        found, parts = torch.empty(len(frames), self.encoder.hidden_size), 1
        for batch in sorted_batches([len(utterance.values) for utterance in frames], POOLED_TOGETHER):
            vectors, parts = retry_on_oom(of, batch, parts)
            found[batch] = vectors.cpu()
        return found.numpy()


def count(module: nn.Module) -> int:
    """Parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


@contextmanager
def _without_onednn() -> Iterator[None]:
    """oneDNN, on a CPU, compiles a convolution anew for every length of input, and here every utterance has its own."""
    before = torch.backends.mkldnn.set_flags(_enabled=False)
    try:
        yield
    finally:
        torch.backends.mkldnn.set_flags(_enabled=before[0])


def fill(skeleton: nn.Module, tensors: dict[str, torch.Tensor], ignored: Collection[str], where) -> None:
    """Give an uninitialised module its weights, without a copy.

    Raises `UserError`, naming the file, if tensors are missing, unknown or of another shape.
    """
    tensors = {name: tensor for name, tensor in tensors.items() if name not in ignored}
    try:
        missing, unexpected = skeleton.load_state_dict(tensors, strict=False, assign=True)
    except RuntimeError as error:
        details = "; ".join(line.strip() for line in str(error).splitlines()[1:])
        raise UserError(f"{where}: the weights do not fit its config.json: {details}") from error
    if missing:
        raise UserError(f"{where}: the weights lack what its config.json describes: {listing(missing)}")
    if unexpected:
        raise UserError(f"{where}: its config.json does not describe these weights: {listing(unexpected)}")


def read_encoder_settings(folder) -> tuple[dict, dict]:
    """Read `config.json` and `preprocessor_config.json` of an encoder.

    Raises `UserError` if it expects another rate than 16 kHz.
    """
    preprocessor = read_json(Path(folder, "preprocessor_config.json"))
    if (rate := preprocessor.get("sampling_rate", SAMPLE_RATE)) != SAMPLE_RATE:
        raise UserError(f"{folder}: the encoder expects audio at {rate} Hz; this workflow's corpora have {SAMPLE_RATE}")
    return read_json(Path(folder, "config.json")), preprocessor


def encoder_weights(folder) -> dict[str, torch.Tensor]:
    """Read an encoder's tensors, memory-mapped. Raises `UserError` if the file is damaged."""
    path = Path(folder, "model.safetensors")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(f"{path} cannot be read ({error}): it is damaged. Delete it and run again.") from error


def waveform_tensor(waveform: np.ndarray) -> torch.Tensor:
    """(samples,) to (samples, 1): a waveform is frames of width 1."""
    return torch.from_numpy(waveform).unsqueeze(-1)
