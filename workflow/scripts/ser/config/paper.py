"""Settings behind the paper's Table II, and how a configuration differs from them.

The recipe is the one that the paper prints for the foundation models. It names no checkpoint but Wav2Vec2-base, and no
fine-tuning method for Table II: those here are our reading (docs/reference/protocol.md).
"""

from collections.abc import Mapping

from ser.config.schema import to_yaml
from ser.models import pretraining_data

RECIPE = {"epochs": 5, "batch_size": 16, "learning_rate": 1.0e-4, "patience": None}
ENCODER = {"weights": "pretrained", "layers": "last", "method": "lora", **RECIPE}
PAPER = {
    "IEMOCAP": {"format": "iemocap"},
    "EMODB": {"format": "emodb"},
    "EMOVO": {"format": "emovo"},
    "URDU": {"format": "urdu"},
    "cnn-lstm": {"family": "cnn-lstm", **RECIPE},
    "wav2vec2": {"checkpoint": "facebook/wav2vec2-base", **ENCODER},
    "xlsr": {"checkpoint": "facebook/wav2vec2-large-xlsr-53", **ENCODER},
    "whisper": {"checkpoint": "openai/whisper-medium", **ENCODER},
    "mms": {"checkpoint": "facebook/mms-300m", **ENCODER},
}


def deviations(entries: Mapping[str, Mapping]) -> dict[str, list[str]]:
    """Return name -> settings that differ from the paper's, for example `epochs 20, not 5`.

    Names that the paper's Table II does not have, and entries without a difference, are left out. Whether boredom or
    silence was left out of a corpus, and whether its recordings are the published ones, is in its `archive.json`.

    Args:
        entries: corpora and models of the configuration by name, after `validation.load`.
    """
    found = {name: _deviations(entries[name], expected) for name, expected in PAPER.items() if name in entries}
    return {name: differing for name, differing in found.items() if differing}


def _deviations(entry: Mapping, expected: Mapping) -> list[str]:
    flat = {**entry, **entry.get("pooling", {}), **entry.get("tuning", {}), **entry.get("training", {})}
    flat["checkpoint"] = pretraining_data.repository(entry)
    return [
        f"{key} {to_yaml(flat.get(key))}, not {to_yaml(value)}"
        for key, value in expected.items()
        if flat.get(key) != value
    ]
