"""Reading of one vector per utterance."""

from collections.abc import Collection

import numpy as np
import torch

from ser.models.batching import Frames
from ser.models.feature_store import Storage


def read_vectors(path, utterances: list[dict], wanted: Collection[str], storage: Storage) -> list[Frames]:
    """Read the vectors of the wanted utterances of a corpus, each as a single frame.

    Args:
        path: float32, (utterances, width), a row for each of `utterances`.
        utterances: all rows of the corpus.
    """
    chosen = set(wanted)
    kept = np.load(path)[[row["utterance"] in chosen for row in utterances]]
    return [Frames.all_real(vector) for vector in torch.from_numpy(kept).to(storage.device).split(1)]
