"""Progress bars in a log: each state of a bar is a line of its own, and there are few of them."""

import logging
import math
import time
from collections.abc import Callable

from tqdm import tqdm

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 30.0

tqdm.monitor_interval = 0  # no thread to watch over the bars


def epochs_bar(done: int, epochs: int) -> tqdm:
    """A bar that makes a line of every epoch."""
    return _Bar(total=epochs, initial=done, desc="epochs", unit="epoch", mininterval=0)


def steps_bar(epoch: int, steps: int) -> "_Bar":
    """A bar that makes a line of the steps of an epoch every half minute, by its `step`."""
    return _Bar(total=steps, desc=f"epoch {epoch}", unit="step", mininterval=math.inf, delay=SECONDS_BETWEEN_LINES)


class _Bar(tqdm):
    def __init__(self, **options):
        super().__init__(file=_Lines(), ascii=" #", ncols=120, maxinterval=math.inf, leave=False, **options)
        self._shown = time.monotonic()

    def step(self, loss: Callable[[], float]) -> None:
        """Count a step. The loss is asked for only when a line is due: a GPU would have to be waited for."""
        self.update()
        if time.monotonic() - self._shown >= SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            self.set_postfix(loss=loss())


class _Lines:
    """Where tqdm writes its bars to."""

    encoding = "utf-8"

    def write(self, text: str) -> None:
        """Log what is more than the movement of a cursor."""
        if text := text.strip("\r\n "):
            log.info(text)

    def flush(self) -> None:
        """Nothing waits."""
