"""Common part of all encoders of speech: frames of utterances, and hidden states averaged over time."""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import nn

from ser.corpora.audio_array import as_float, open_audio, waveforms_of
from ser.models.batching import Frames, mean_of_real_frames, title_of
from ser.models.frame_storage import Storage
from ser.models.oom import in_batches

POOLING_BATCH = 16  # utterances; it changes their vectors by rounding at most


class BaseEncoder(nn.Module):
    """Encoder of speech, split into a feature extractor and transformer layers.

    A subclass has:

    - the feature extractor: `features(waveform)` returns the normalised waveform or log-mel frames of an utterance;
      `convolve_utterance(features, device)` applies the convolutions to them, and `convolve_batch(features, lengths)`
      to a batch;
    - `max_samples` of a waveform that it uses, if it has a limit;
    - sizes: `feature_count(samples)` and `feature_width` of the features; `frame_count(samples)` and `frame_width` of
      the frames that `convolve_utterance` returns; `hidden_size`;
    - the transformer: `layers`, a `ModuleList`, and `states(frames, lengths)`, which yields the input of the first
      layer and the output of each, (batch, frames, hidden);
    - for fine-tuning methods: `trainable_modules()`, all modules after the convolutions; and the names of a layer's two
      feed-forward linears (`feed_forward`), and of its query and value projections (`attention`).
    """

    max_samples = float("inf")

    @property
    def parameter_count(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    def keep_layers(self, count: int) -> None:
        """Remove all transformer layers but the first ones."""
        self.layers = self.layers[:count]

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Map (batch, frames, width) to the last hidden states, (batch, frames, hidden), independent of the batch."""
        for hidden in self.states(frames, lengths):
            last = hidden
        return last

    def pooled_states(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the average of every hidden state over an utterance's own frames: (batch, layers + 1, hidden)."""
        return torch.stack([mean_of_real_frames(hidden, lengths) for hidden in self.states(frames, lengths)], 1)

    def read_frames(
        self, path, utterances: list[dict], wanted: Collection[str], storage: Storage, features_only: bool = False
    ) -> list[Frames]:
        """Compute the frames of the wanted utterances, float32.

        Args:
            path: the corpus's audio.npy.
            utterances: all rows of the corpus.
            features_only: whether to leave out the convolutions.
        """
        self.eval()
        chosen = set(wanted)
        rows = [row for row in utterances if row["utterance"] in chosen]
        count, width = self.frame_count, self.frame_width
        if features_only:
            count, width = self.feature_count, self.feature_width
        counts = [count(int(row["samples"])) for row in rows]
        targets = storage.allocate(sum(counts), width).split(counts)
        waveforms, frames = waveforms_of(rows, open_audio(path)), []
        for row, waveform, target in zip(rows, waveforms, targets, strict=True):
            own = self.frames_of(waveform, storage.device, features_only)
            frames.append(Frames(target.copy_(own.values), own.real, title_of(row)))
        return frames

    @torch.no_grad()
    def frames_of(self, samples: np.ndarray, device: torch.device, features_only: bool = False) -> Frames:
        """Compute the frames of one utterance, float32.

        Args:
            samples: int16, (samples,), at least `ser.corpora.audio.SHORTEST`.
            features_only: whether to leave out the convolutions.
        """
        features = self.features(as_float(samples))
        return features if features_only else self.convolve_utterance(features, device)

    @torch.inference_mode()
    def pooled(self, frames: Sequence[Frames], device: torch.device) -> np.ndarray:
        """Compute the average of every hidden state per utterance: float32, (utterances, layers + 1, hidden).

        Args:
            frames: from `read_frames`.
        """
        self.eval()
        # vectors of all layers would take much of a GPU's memory
        return in_batches(lambda *batch: self.pooled_states(*batch).cpu(), frames, POOLING_BATCH, device).numpy()
