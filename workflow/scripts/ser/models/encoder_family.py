"""Families of encoders: how an encoder is built from the files that rule `encoder` writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import FeatureExtractionMixin, PreTrainedConfig, PreTrainedModel

from ser.core.constants import SAMPLE_RATE
from ser.core.errors import UserError
from ser.core.files import read_json
from ser.models.base_encoder import BaseEncoder

OFF = {  # in the configuration of every checkpoint
    # computes every layer twice; facebook/wav2vec2-base was published with it (huggingface/optimum-habana#459)
    "gradient_checkpointing": False,
    "output_attentions": False,  # transformers refuses it with "sdpa"
}


@dataclass(frozen=True)
class EncoderFamily:
    """Architecture of encoders: transformers' classes, and the workflow's encoder of their layers.

    Args:
        encoder: subclass of `BaseEncoder`, built from a `model`, an `extractor` and the model's entry in the
            configuration.
        config: transformers' class of a checkpoint's configuration.
        model: transformers' class that holds the encoder's weights.
        extractor: transformers' class that computes the features of a waveform.
        off: settings that replace those of a checkpoint's configuration, to switch parts off, beside `OFF`.
        attention: name of transformers' implementation of the attention.
        part: name of the encoder in `model`, if it is a part.
    """

    encoder: type[BaseEncoder]
    config: type[PreTrainedConfig]
    model: type[PreTrainedModel]
    extractor: type[FeatureExtractionMixin]
    off: Mapping = field(default_factory=dict)
    attention: str = "sdpa"
    part: str = ""

    def build(self, settings: Mapping, folder) -> BaseEncoder:
        """Return the encoder of a model's entry in the configuration, from the encoder's folder.

        Raises `UserError` if the files are damaged, do not match, or expect a sampling rate other than 16 kHz.
        """
        folder = Path(folder)
        preprocessor = read_json(folder / "preprocessor_config.json")
        if (rate := preprocessor.get("sampling_rate", SAMPLE_RATE)) != SAMPLE_RATE:
            raise UserError(f"{folder}: the encoder expects audio at {rate} Hz; use a checkpoint for {SAMPLE_RATE} Hz")
        config = self.adapted_config(read_json(folder / "config.json"))
        with torch.device("cpu" if settings["weights"] == "random" else "meta"):
            model = self.model(config).get_submodule(self.part)
        if settings["weights"] != "random":
            _load_weights(model, folder / "model.safetensors")
        try:
            return self.encoder(model, self.extractor.from_dict(preprocessor), settings)
        except UserError as error:
            raise UserError(f"{folder}: {error}") from error

    def adapted_config(self, config: Mapping) -> PreTrainedConfig:
        """Return a checkpoint's configuration, adapted for fine-tuning, from its `config.json`."""
        # this key of a config.json would take precedence over ours
        kept = {key: value for key, value in config.items() if key != "_attn_implementation"}
        return self.config.from_dict({**kept, **OFF, **self.off}, attn_implementation=self.attention)


def _load_weights(model: torch.nn.Module, path: Path) -> None:
    """Load weights into an uninitialised model, without a copy."""
    try:
        model.load_state_dict(load_file(path), assign=True)
    except SafetensorError as error:
        raise UserError(
            f"{path} is damaged and cannot be read ({error}). Delete it and run Snakemake again."
        ) from error
    except RuntimeError as error:
        details = "; ".join(line.strip() for line in str(error).splitlines()[1:])
        raise UserError(
            f"{path} does not match its config.json: {details}. Delete it and run Snakemake again."
        ) from error
