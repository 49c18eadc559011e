"""How every script runs under Snakemake: its log, and errors that speak to the reader."""

import logging
import sys
from collections.abc import Callable

from ser.errors import UserError
from ser.files import FULL_DISK

log = logging.getLogger("ser")


def run(snakemake, main: Callable) -> None:
    """Call `main(snakemake)` with logging to the job's log file and to the terminal.

    A `UserError` ends the job with its message alone; of any other error the log keeps the
    traceback. Either way the job fails, and Snakemake removes its outputs.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if snakemake.log:
        handlers.append(logging.FileHandler(str(snakemake.log), mode="w", encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    handlers[0].setLevel(logging.WARNING)
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
    try:
        main(snakemake)
    except UserError as error:
        log.error("%s: %s", snakemake.rule, error)
        sys.exit(1)
    except Exception as error:
        if getattr(error, "errno", None) in FULL_DISK:
            log.error("%s: the disk or quota is full (%s). Make room and run again.", snakemake.rule, error)
        else:
            log.exception("%s failed unexpectedly:", snakemake.rule)
        sys.exit(1)
