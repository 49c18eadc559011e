"""Fine-tuning loop of transformers and peft tutorials, with stock classifiers."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.data import DataLoader, Dataset
from transformers import AutoConfig, AutoFeatureExtractor, AutoModelForAudioClassification

SAMPLE_RATE = 16_000
HEADS = ["projector", "classifier"]
# As in the workflow: dropout is the only random masking in training.
OFF = {"apply_spec_augment": False, "layerdrop": 0.0, "encoder_layerdrop": 0.0}


class Recordings(Dataset):
    """Float32 waveforms of a memory-mapped corpus, optionally cut, with classes."""

    def __init__(self, audio, starts: Sequence[int], samples: Sequence[int], longest: float | None):
        self._audio, self._starts, self._samples = audio, starts, samples
        self._most = None if longest is None else round(longest * SAMPLE_RATE)

    def __len__(self):
        return len(self._starts)

    def __getitem__(self, index):
        start, samples = self._starts[index], self._samples[index]
        waveform = np.asarray(self._audio[start : start + samples][: self._most], np.float32) / 32768
        return waveform, index % 4


class PlainLoop:
    """Fine-tuning and prediction of a published classifier with peft's LoRA.

    Args:
        checkpoint: folder in Hugging Face format.
        targets: names of the linear modules that get LoRA.
    """

    def __init__(
        self, family: str, checkpoint, targets: Sequence[str], rank: int, device: torch.device, bfloat16: bool
    ):
        self.extractor = AutoFeatureExtractor.from_pretrained(checkpoint)
        config = AutoConfig.from_pretrained(checkpoint, num_labels=4)
        for name in OFF.keys() & vars(config).keys():
            setattr(config, name, OFF[name])
        model = AutoModelForAudioClassification.from_pretrained(checkpoint, config=config)
        if family != "whisper":
            model.freeze_feature_encoder()  # avoids backpropagation through the convolutions
        lora = LoraConfig(
            r=rank, lora_alpha=rank, target_modules=list(targets), lora_dropout=0.0, modules_to_save=HEADS
        )
        self.model = get_peft_model(model, lora).to(device)
        self._device, self._bfloat16 = device, bfloat16
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.Adam(trained, lr=1e-4)

    def batches(self, recordings: Recordings, batches: Sequence[Sequence[int]], workers: int) -> Iterator[dict]:
        """Return the batches of a data loader that extracts features."""
        pinned = self._device.type == "cuda"
        return iter(
            DataLoader(
                recordings, batch_sampler=batches, collate_fn=self._collate, num_workers=workers, pin_memory=pinned
            )
        )

    def _collate(self, examples) -> dict:
        waveforms, classes = zip(*examples, strict=True)
        features = self.extractor(
            list(waveforms), sampling_rate=SAMPLE_RATE, padding=self._padding, return_tensors="pt"
        )
        return {**features, "labels": torch.tensor(classes)}

    @property
    def _padding(self):
        return "max_length" if "Whisper" in type(self.extractor).__name__ else "longest"

    def _autocast(self, bfloat16: bool):
        return torch.autocast(self._device.type, torch.bfloat16, enabled=bfloat16)

    def step(self, batch: dict) -> None:
        """Make one update."""
        batch = {name: tensor.to(self._device, non_blocking=True) for name, tensor in batch.items()}
        with self._autocast(self._bfloat16):
            loss = self.model(**batch).loss
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()

    @torch.inference_mode()
    def predict(self, batch: dict) -> np.ndarray:
        """Return probabilities in float32."""
        batch = {name: tensor.to(self._device, non_blocking=True) for name, tensor in batch.items()}
        return torch.softmax(self.model(**batch).logits, dim=-1).cpu().numpy()
