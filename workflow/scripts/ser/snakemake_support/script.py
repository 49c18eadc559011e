"""Entry point of scripts under Snakemake: logging and error messages."""

import errno
import logging
import re
import sys
from collections.abc import Callable, Mapping

from ser.core.errors import UserError
from ser.snakemake_support.code_hash import code_hash

log = logging.getLogger("ser")
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORMAT = logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")

logging.raiseExceptions = False  # a log on a full disk must not hide messages in the terminal


def run(snakemake, main: Callable) -> None:
    """Call `main(snakemake)` with logging to the job's log file and to the terminal.

    The job fails if its code is no longer the one that Snakemake planned it with. A `UserError` or an unwritable disk
    is logged as a message, any other error with its traceback. If a job fails, Snakemake removes its outputs.
    """
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.WARNING)
    terminal.setFormatter(FORMAT)
    logging.basicConfig(level=logging.INFO, handlers=[terminal], force=True)
    logging.captureWarnings(True)
    try:
        if snakemake.log:
            _log_to(str(snakemake.log))
        if planned := snakemake.params.settings.get("code"):  # not of downloads, which no code changes
            _check_code(planned)
        main(snakemake)
    except UserError as error:
        log.error("%s: %s", snakemake.rule, error)
        sys.exit(1)
    except KeyboardInterrupt:
        log.error("%s: interrupted", snakemake.rule)
        sys.exit(1)
    except Exception as error:
        if problem := _disk_problem(error):
            log.error("%s: %s", snakemake.rule, problem)
        else:
            log.exception("%s failed unexpectedly:", snakemake.rule)
        sys.exit(1)


def _check_code(planned: Mapping) -> None:
    """Raise `UserError` if a job's code changed after Snakemake planned it: the code of the plan will be recorded."""
    if code_hash(*planned["sources"]) != planned["hash"]:
        raise UserError(
            "the workflow's code has changed since this run of Snakemake started. Let its other jobs end, then start it"
            " again."
        )


def _log_to(path: str) -> None:
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(FORMAT)
    logging.getLogger().addHandler(handler)


def _disk_problem(error: BaseException) -> str | None:
    """Return the cause and remedy of a disk error, or None for any other error."""
    rust_error = re.search(r"\(os error (\d+)\)", str(error))  # from safetensors
    code = int(rust_error[1]) if rust_error else getattr(error, "errno", None)
    if code in FULL_DISK:
        return f"the disk or quota is full ({error}). Free some space and run Snakemake again."
    if code == errno.EROFS:
        return f"the disk is read-only ({error}). Mount it with write access and run Snakemake again."
    return None
