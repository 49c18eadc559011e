"""Label recordings with a trained model: the emotion of every file, or of every window of a long one.

Usage: python workflow/scripts/label.py RUN FILES_OR_FOLDERS... [--output labels.csv]

RUN is results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}, or the folder of an exported one. What is
written, and how long recordings are cut, is in docs/using.md. The exit status is 0 if every file was labelled, 1 if
nothing was written, 3 if some files were skipped.
"""

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from ser.core import files
from ser.core.errors import UserError
from ser.deploy import label
from ser.deploy.label import LONGEST, WINDOW, Cutting
from ser.deploy.trained import open_trained
from ser.training.device import choose_device

SOME_SKIPPED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the CSV, and return the exit status."""
    given = _parser().parse_args(arguments)
    if given.output.is_dir():
        raise UserError(f"--output {given.output} is a folder: name a file in it")
    if given.output.exists() and not given.overwrite:
        raise UserError(f"{given.output} is there already: name another --output, or give --overwrite")
    cutting = _cutting(given)
    recordings = label.find_audio(given.files)
    trained = open_trained(given.run)
    device = choose_device(int(torch.cuda.is_available()))
    classifier = label.Classifier(trained, device)
    classifier.check(cutting)
    sizes = {file: file.stat().st_size for file in recordings}
    skipped = []
    with tqdm(total=sum(sizes.values()), unit="B", unit_scale=True, desc="labelled") as bar:

        def skip(file: Path, problem: str) -> None:
            skipped.append(file)
            bar.write(f"label: skipped: {problem}", file=sys.stderr)
            bar.update(sizes[file])

        def done(file: Path, share: float) -> None:
            bar.update(min(share * sizes[file], bar.total - bar.n))  # shares add up to a little more than all

        labels = label.label(classifier, recordings, cutting, skip, done)
        rows = (label.row for label in (label.by_file(labels) if given.per_file else labels))
        if (first := next(rows, None)) is None:
            raise UserError(f"none of the {len(recordings)} files can be labelled: nothing is written")
        files.write_rows(given.output, label.COLUMNS, itertools.chain([first], rows))
    print(f"{given.output}: {len(recordings) - len(skipped)} files labelled by {trained.name}, on {device.type}")
    if skipped:
        print(f"label: {len(skipped)} of {len(recordings)} files were skipped, they are named above", file=sys.stderr)
    return SOME_SKIPPED if skipped else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="results/runs/.../seed1, or an exported run's folder")
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILES_OR_FOLDERS", help="recordings, or folders of them"
    )
    parser.add_argument("--output", "-o", type=Path, default=Path("labels.csv"), help="where to write (labels.csv)")
    parser.add_argument("--overwrite", action="store_true", help="replace what was written before")
    parser.add_argument("--per-file", action="store_true", help="one row a file: the mean of its windows")
    cut = parser.add_mutually_exclusive_group()
    cut.add_argument("--whole", action="store_true", help="never cut: every file is an utterance")
    cut.add_argument(
        "--window",
        type=float,
        metavar="SECONDS",
        help=f"cut what is longer than this (files over {LONGEST:g} s, into {WINDOW:g} s)",
    )
    parser.add_argument(
        "--hop", type=float, metavar="SECONDS", help="from the start of a window to the next (half a window)"
    )
    return parser


def _cutting(given: argparse.Namespace) -> Cutting:
    if given.whole:
        if given.hop is not None:
            raise UserError("--hop is of windows, and --whole cuts none: give one of them")
        return label.WHOLE
    longest, window = (LONGEST, WINDOW) if given.window is None else (given.window, given.window)
    return Cutting(longest, window, window / 2 if given.hop is None else given.hop)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, OSError) as error:
        sys.exit(f"label: {error}")
