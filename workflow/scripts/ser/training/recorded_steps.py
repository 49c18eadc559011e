"""Training steps recorded as CUDA graphs, which a GPU repeats without waiting for the CPU.

A step of an encoder with LoRA starts about two thousand operations. On a fast GPU, starting them takes the CPU several
times longer than the GPU computes (docs/reference/benchmarks.md). A CUDA graph starts them at once. It repeats the same
operations on the same addresses, so there is one per shape of a batch, and the loop keeps the shapes few.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

import torch

from ser.models.oom import is_out_of_memory

log = logging.getLogger(__name__)


class Recording(NamedTuple):
    """CUDA graph of a step, with the tensors that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: tuple[torch.Tensor, ...]
    loss: torch.Tensor


class RecordedSteps:
    """Function that adds gradients, recorded when a shape comes for the second time, repeated from then on.

    Repeated steps use the generator's present seed, and add to the same `.grad` tensors: between calls these may be set
    to zero, not replaced. If memory does not suffice beside recordings, they are dropped and nothing more is recorded.

    Args:
        step: takes tensors on the GPU and a number, and returns a tensor on the GPU. What it does otherwise depends on
            the tensors' shapes only.
    """

    def __init__(self, step: Callable[..., torch.Tensor]):
        self._step, self._seen, self._recordings = step, set(), {}
        self._records, self._pool = True, torch.cuda.graph_pool_handle()

    @property
    def count(self) -> int:
        """Number of recorded steps."""
        return len(self._recordings)

    def __call__(self, *inputs: torch.Tensor, utterances: int) -> torch.Tensor:
        """Do the step; arguments and result are those of `step`."""
        key = (*(tuple(tensor.shape) for tensor in inputs), utterances)
        if self._records and key in self._seen and key not in self._recordings:
            self._record(key, inputs, utterances)
        if key not in self._recordings:
            self._seen.add(key)
            return self._step_unrecorded(inputs, utterances)
        graph, places, loss = self._recordings[key]
        for place, tensor in zip(places, inputs, strict=True):
            place.copy_(tensor)
        graph.replay()
        return loss.clone()

    def _step_unrecorded(self, inputs, utterances: int) -> torch.Tensor:
        try:
            return self._step(*inputs, utterances=utterances)
        except RuntimeError as error:
            if self._recordings and is_out_of_memory(error):  # recordings may have what is missing
                self._stop("out of memory")
            raise

    def _record(self, key: tuple, inputs, utterances: int) -> None:
        places, graph = tuple(torch.empty_like(tensor) for tensor in inputs), torch.cuda.CUDAGraph()
        stream = torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, pool=self._pool):
                loss = self._step(*places, utterances=utterances)
        except RuntimeError as error:  # running out of memory ends a recording with an error of another class
            torch.cuda.set_stream(stream)  # a recording that fails at its end leaves its own stream current
            self._stop(str(error).splitlines()[0])
        else:
            self._recordings[key] = Recording(graph, places, loss)

    def _stop(self, problem: str) -> None:
        log.warning("CUDA graphs are not used any more, which is slower: %s", problem)
        self._records = False
        self._recordings.clear()
