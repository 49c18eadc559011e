"""Pre-trained encoder with average pooling and a classification head."""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import nn

from ser.core.constants import SAMPLE_RATE
from ser.corpora.audio_array import as_float, open_audio, waveforms_of
from ser.models.batching import Frames, mean_of_real_frames, pad, sorted_batches
from ser.models.classification_head import classifier
from ser.models.feature_store import Storage
from ser.models.fine_tuning_methods import apply_method
from ser.models.layer_choice import LayerChoice, check_layers
from ser.models.oom import retry_on_oom

POOLING_BATCH = 16  # utterances; it changes their vectors by rounding at most


class FoundationModel(nn.Module):
    """Encoder, average over an utterance's own frames, classification head.

    The layers before the first trained parameter are constant. `read_frames` computes their output once per run, and
    `forward` starts from it: from the normalised waveform or log-mel frames (`features`) if everything is trained, else
    from the output of the feature extractor (`front_end`: the convolutions). A frozen
    encoder is constant as a whole: `pooled` returns its output for `ser.models.frozen_head`.

    Args:
        encoder: see `ser.models.waveform_encoder.Encoder`, `ser.models.whisper.Encoder`.
        settings: the model's entry, with `weights`, `tuning` and `pooling`.

    Raises `UserError` if the encoder does not have the configured layer.
    """

    recordable = True  # operations depend on the shapes of a batch only: see `ser.training.recorded_steps`

    def __init__(self, encoder: nn.Module, settings: dict):
        super().__init__()
        self.encoder = encoder
        self.encoder_parameters = sum(parameter.numel() for parameter in encoder.parameters())
        self.trains_all = settings["weights"] == "random"
        layers, count = settings["pooling"]["layers"], len(encoder.layers)
        check_layers(layers, count)
        if isinstance(layers, int):
            encoder.keep_layers(layers)  # the last of those is chosen
        self.choice = LayerChoice("last" if isinstance(layers, int) else layers, count + 1)
        if not self.trains_all:
            apply_method(encoder, settings["tuning"])
        self.head = classifier(encoder.hidden_size)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, 4).

        Args:
            frames: (batch, frames, width), from `read_frames`, padded.
            lengths: real frames of each utterance, (batch,), int64, on the CPU or on the frames' device.
        """
        return self.classify(self.embed(frames, lengths))

    def embed(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the average over each utterance's own frames, (batch, width); arguments as for `forward`."""
        if self.trains_all:
            frames, lengths = self._trained_front_end(frames, lengths)
        if self.choice.uses_all:
            return self.choice(self._pooled_states(frames, lengths))
        return mean_of_real_frames(self.encoder(frames, lengths), lengths)

    def classify(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, 4) for embeddings of shape (batch, width)."""
        return self.head(embeddings)

    def _pooled_states(self, frames, lengths) -> torch.Tensor:
        """Return the average of every hidden state over an utterance's own frames: (batch, layers + 1, width)."""
        return torch.stack([mean_of_real_frames(hidden, lengths) for hidden in self.encoder.states(frames, lengths)], 1)

    def _trained_front_end(self, features, lengths):
        """Apply the feature extractor to the batch in training, else to each utterance alone."""
        if self.training:
            return self.encoder.padded_front_end(features, lengths)
        alone = [Frames(own, int(length)) for own, length in zip(features, lengths, strict=True)]
        return pad([self.encoder.front_end(own, features.device) for own in alone], features.device)

    def read_frames(self, path, utterances: list[dict], wanted: Collection[str], storage: Storage) -> list[Frames]:
        """Compute the constant layers' output for the wanted utterances, float32.

        Args:
            path: the corpus's audio.npy.
            utterances: all rows of the corpus.
        """
        self.eval()
        chosen = set(wanted)
        rows = [row for row in utterances if row["utterance"] in chosen]
        count, width = self.encoder.frame_count, self.encoder.frame_width
        if self.trains_all:
            count, width = self.encoder.feature_count, self.encoder.feature_width
        counts = [count(int(row["samples"])) for row in rows]
        targets = storage.allocate(sum(counts), width).split(counts)
        waveforms, frames = waveforms_of(rows, open_audio(path)), []
        for row, waveform, target in zip(rows, waveforms, targets, strict=True):
            own = self.frames_of(waveform, storage.device)
            title = f"utterance {row['utterance']} ({len(waveform) / SAMPLE_RATE:.1f} s)"
            frames.append(Frames(target.copy_(own.values), own.real, title))
        return frames

    @torch.no_grad()
    def frames_of(self, samples: np.ndarray, device: torch.device) -> Frames:
        """Compute the constant layers' output for one utterance, float32.

        Args:
            samples: int16, (samples,), at least `ser.corpora.audio.SHORTEST`.
        """
        features = self.encoder.features(as_float(samples))
        return features if self.trains_all else self.encoder.front_end(features, device)

    @torch.inference_mode()
    def pooled(self, frames: Sequence[Frames], device: torch.device) -> np.ndarray:
        """Compute the average of every hidden state per utterance: float32, (utterances, layers + 1, width).

        Args:
            frames: from `read_frames`.
        """
        self.eval()

        def pool(micro_batches):
            padded = [pad([frames[i] for i in indices], device) for indices in micro_batches]
            return torch.cat([self._pooled_states(*batch) for batch in padded])

        pooled, splits = torch.empty(len(frames), len(self.encoder.layers) + 1, self.encoder.hidden_size), 1
        for batch in sorted_batches([len(utterance.values) for utterance in frames], POOLING_BATCH):
            vectors, splits = retry_on_oom(pool, frames, batch, splits)
            pooled[batch] = vectors.cpu()
        return pooled.numpy()
