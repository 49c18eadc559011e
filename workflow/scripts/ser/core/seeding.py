"""Random numbers whose seed is a name, so that they depend on nothing else."""

import hashlib

import numpy as np


def named_seed(*names) -> int:
    """A 63-bit seed from names and numbers: the same in every process, order and machine."""
    digest = hashlib.sha256("\x1f".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def named_generator(*names) -> np.random.Generator:
    """A NumPy generator seeded by names."""
    return np.random.default_rng(named_seed(*names))
