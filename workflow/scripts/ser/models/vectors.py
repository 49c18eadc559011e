"""Reading of vectors that were computed once per utterance."""

from collections.abc import Collection

import numpy as np


def read_vectors(path, utterances: list[dict], wanted: Collection[str]) -> np.ndarray:
    """Read the vectors of the wanted utterances of a corpus, in the corpus's order.

    Args:
        path: an array with a row for each of `utterances`.
        utterances: all rows of the corpus.
    """
    chosen = set(wanted)
    return np.load(path, mmap_mode="r")[[row["utterance"] in chosen for row in utterances]]
