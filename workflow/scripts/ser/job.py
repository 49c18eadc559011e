"""How every script runs under Snakemake: its log, its inputs checked, and errors that speak to the reader."""

import fcntl
import logging
import sys
from collections.abc import Callable

from ser.errors import UserError
from ser.files import damage_among, disk_problem

log = logging.getLogger("ser")
FORMAT = logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")

logging.raiseExceptions = False  # a log on a full disk must not hide what the terminal can still say


def run(snakemake, main: Callable) -> None:
    """Call `main(snakemake)` with logging to the job's log file and to the terminal, once its inputs are known whole.

    A `UserError`, or a disk that cannot be written to, ends the job with a message alone; of any other error the log
    keeps the traceback. Either way the job fails, and Snakemake removes its outputs.
    """
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.WARNING)
    terminal.setFormatter(FORMAT)
    logging.basicConfig(level=logging.INFO, handlers=[terminal], force=True)
    logging.captureWarnings(True)
    try:
        if snakemake.log:
            logging.getLogger().addHandler(_own_log(str(snakemake.log)))
        if damaged := damage_among(snakemake.input):
            raise UserError("\n".join(damaged))
        main(snakemake)
    except UserError as error:
        log.error("%s: %s", snakemake.rule, error)
        sys.exit(1)
    except KeyboardInterrupt:
        log.error("%s: interrupted", snakemake.rule)
        sys.exit(1)
    except Exception as error:
        if problem := disk_problem(error):
            log.error("%s: %s", snakemake.rule, problem)
        else:
            log.exception("%s failed unexpectedly:", snakemake.rule)
        sys.exit(1)


def _own_log(path: str) -> logging.Handler:
    """The job's log, emptied and locked while the job lives: jobs of a killed Snakemake go on, and two may not mix."""
    handler = logging.FileHandler(path, mode="a", encoding="utf-8")
    handler.setFormatter(FORMAT)
    try:
        fcntl.flock(handler.stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.warning("%s is being written by a process that an earlier Snakemake left: waiting until it ends", path)
        fcntl.flock(handler.stream, fcntl.LOCK_EX)
    except OSError:
        pass  # the file system has no locks
    handler.stream.truncate(0)
    return handler
