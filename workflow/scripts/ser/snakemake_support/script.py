"""How every script runs under Snakemake: its log, its inputs checked, and errors that speak to the reader."""

import fcntl
import gc
import hashlib
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ser.core.errors import UserError
from ser.core.files import damage_among, disk_problem

log = logging.getLogger("ser")
CLAIMED = Path(".snakemake", "running_jobs")
_claims = []
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
            _log_to(str(snakemake.log))
        _wait_until_alone(str(snakemake.output[0]))
        if damaged := damage_among(snakemake.input):
            raise UserError("\n".join(damaged))
        main(snakemake)
        gc.freeze()  # as it ends, Python would look for garbage in all that was imported: a quarter of a short job
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


def _log_to(path: str) -> None:
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(FORMAT)
    logging.getLogger().addHandler(handler)


def _wait_until_alone(name: str) -> None:
    """Claim a job until this process ends: the jobs of a Snakemake that was killed go on, and two may not mix files.

    A claim is the lock of one byte of a file that all jobs share; it ends with its process, however that ends.
    """
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])
    with suppress(OSError):  # the file system has no locks
        _claims.append(open(CLAIMED, "a"))  # noqa: SIM115 (it stays open)
        try:
            fcntl.lockf(_claims[-1], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except BlockingIOError:
            log.warning("%s: a process that an earlier Snakemake left still does this: waiting until it ends", name)
            fcntl.lockf(_claims[-1], fcntl.LOCK_EX, 1, place)
