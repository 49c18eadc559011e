"""CNN-LSTM baseline: convolutions over log-mel frames, a BLSTM, a dense layer.

The paper specifies a large kernel first and smaller ones after it, 128 LSTM units and a dense layer of 128.
docs/reference/protocol.md lists the choices that the paper leaves open.
"""

from collections.abc import Collection

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ser.core.constants import EMOTIONS
from ser.corpora.audio_array import as_float
from ser.models.batching import Frames, mean_of_real_frames, on_device, real_frames, title_of
from ser.models.emotion_classifier import EmotionClassifier
from ser.models.frame_storage import Storage
from ser.models.log_mel import BANDS, frame_count, log_mel

CHANNELS, UNITS, DENSE = 128, 128, 128
KERNELS = (9, 5, 3)
POOLING = (4, 2, 1)


def build(settings: dict, encoder=None) -> nn.Module:
    """Return an initialised model; this family has no settings and no encoder."""
    return CnnLstm()


class CnnLstm(EmotionClassifier):
    """CNN-LSTM with masked padding."""

    def __init__(self):
        super().__init__()
        inputs = (BANDS, *[CHANNELS] * (len(KERNELS) - 1))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, CHANNELS, kernel, padding=kernel // 2, bias=False)
            for channels, kernel in zip(inputs, KERNELS, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(CHANNELS) for _ in KERNELS)
        self.lstm = nn.LSTM(CHANNELS, UNITS, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Linear(2 * UNITS, DENSE), nn.ReLU(), nn.Linear(DENSE, len(EMOTIONS)))

    def read_frames(self, path, utterances: list[dict], wanted: Collection[str], storage: Storage) -> list[Frames]:
        """Read log-mel frames of the wanted utterances, float32, (frames, 64) each.

        On a CPU they are memory-mapped.

        Args:
            path: the corpus's log_mel.npy.
            utterances: all rows of the corpus.
        """
        frames = torch.from_numpy(np.load(path, mmap_mode="c"))  # torch warns about read-only arrays
        lengths = [frame_count(int(row["samples"])) for row in utterances]
        by_utterance = frames.split(lengths)
        chosen = set(wanted)
        kept = [own for own, row in zip(by_utterance, utterances, strict=True) if row["utterance"] in chosen]
        titles = [title_of(row) for row in utterances if row["utterance"] in chosen]
        if storage.device.type == "cuda":
            counts = list(map(len, kept))
            targets = storage.allocate(sum(counts), BANDS).split(counts)
            kept = [target.copy_(own) for target, own in zip(targets, kept, strict=True)]
        return list(map(Frames.all_real, kept, titles))

    def frames_of(self, samples: np.ndarray, device: torch.device) -> Frames:
        """Compute the log-mel frames of one utterance from int16 samples."""
        return Frames.all_real(torch.from_numpy(log_mel(as_float(samples))).to(device))

    def embed(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the average BLSTM state over each utterance's own frames: (batch, frames, 64) to (batch, 256)."""
        hidden = frames * real_frames(lengths, frames.shape[1], frames.device).unsqueeze(-1)
        for convolution, norm, pooling in zip(self.convolutions, self.norms, POOLING, strict=True):
            # zeros beyond the end: the padding of an utterance alone
            hidden = convolution(hidden.transpose(1, 2)).transpose(1, 2)
            hidden = torch.relu(_normalise_real_frames(norm, hidden, lengths))
            # zeros do not change the maximum, since no value is negative after the ReLU
            hidden = nn.functional.max_pool1d(hidden.transpose(1, 2), pooling, ceil_mode=True).transpose(1, 2)
            lengths = (lengths + pooling - 1) // pooling
        return mean_of_real_frames(self._states(hidden, lengths), lengths)

    def _states(self, hidden: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Apply the LSTM to real frames: (batch, frames, channels to 2 * units)."""
        longest_first = torch.argsort(lengths, descending=True, stable=True)
        order, back = on_device(longest_first, hidden.device), on_device(torch.argsort(longest_first), hidden.device)
        packed = pack_padded_sequence(hidden[order], lengths[longest_first], batch_first=True)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return states[back]


def _normalise_real_frames(norm: nn.BatchNorm1d, hidden: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Apply batch norm to the real frames of (batch, frames, channels), in full precision; padding becomes zero."""
    mask = real_frames(lengths, hidden.shape[1], lengths.device)  # on the CPU, which must count them
    real = on_device(mask.flatten().nonzero().squeeze(1), hidden.device)
    values = hidden.flatten(0, 1)[real].float()
    if len(values) > 1:
        values = norm(values)
    else:  # its variance is unknown
        values = nn.functional.batch_norm(values, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    return values.new_zeros(len(mask) * mask.shape[1], values.shape[1]).index_copy(0, real, values).view(hidden.shape)
