"""Classify recordings, or windows of long ones, with a trained model.

Usage: python workflow/scripts/label.py RUN FILES_OR_FOLDERS... [--output labels.csv]

RUN is results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}, or the folder of an exported model.
docs/how-to/trained-model.md describes the output and the cutting of long recordings. The exit status is 0 if every
file was classified, 3 if some files were skipped, 2 if an option is unknown, and 1 after any other error.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from ser.core import files
from ser.core.errors import UserError
from ser.core.machine_checks import missing_caches
from ser.deploy import label
from ser.deploy.label import LONGEST, WINDOW, Cutting
from ser.deploy.trained import open_trained
from ser.training import numerics
from ser.training.device import choose_device

SOME_SKIPPED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the CSV and return the exit status."""
    options = _parser().parse_args(arguments)
    if options.output.exists() and not options.output.is_file():
        raise UserError(f"--output {options.output} is not a file: pass the path of a CSV file")
    if options.output.exists() and not options.overwrite:
        raise UserError(f"{options.output} already exists: choose another --output, or pass --overwrite")
    if problems := missing_caches():
        raise UserError(problems[0])
    cutting = _cutting(options)
    recordings = label.find_audio(options.files)
    if any(recording.resolve() == options.output.resolve() for recording in recordings):
        raise UserError(f"--output {options.output} is one of the recordings: pass the path of a CSV file")
    trained = open_trained(options.run)
    numerics.choose_gpu_kernels()
    device = choose_device("auto" if torch.cuda.is_available() else "cpu")
    classifier = label.Classifier(trained, device, options.adapt)
    cutting = classifier.check(cutting)
    skipped = []

    def skip(file: Path, problem: str) -> None:
        skipped.append(file)
        tqdm.write(f"label: skipped: {problem}", file=sys.stderr)

    windows = label.classify(classifier, recordings, cutting, skip)
    predictions = list(label.average_by_file(windows)) if options.per_file else windows
    if not predictions:
        raise UserError(f"none of the {len(recordings)} files could be classified: no output was written")
    files.write_rows(options.output, label.COLUMNS, [prediction.row for prediction in predictions])
    print(
        f"{options.output}: {len(recordings) - len(skipped)} files classified by {trained.run.path}, on {device.type}"
    )
    if warning := label.warning(Counter(prediction.emotion for prediction in predictions), options.adapt):
        print(f"label: {warning}", file=sys.stderr)
    if skipped:
        print(f"label: {len(skipped)} of {len(recordings)} files were skipped, see above", file=sys.stderr)
    return SOME_SKIPPED if skipped else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="results/runs/.../seed1, or an exported model's folder")
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILES_OR_FOLDERS", help="audio files, or folders of them"
    )
    parser.add_argument("--output", "-o", type=Path, default=Path("labels.csv"), help="CSV to write (labels.csv)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing CSV")
    parser.add_argument("--per-file", action="store_true", help="one row per file: the mean of its windows")
    parser.add_argument(
        "--adapt",
        action="store_true",
        help="adapt the model to these recordings, which need no labels: at least"
        f" {label.LEAST_TO_ADAPT}, of all emotions that you expect",
    )
    cut = parser.add_mutually_exclusive_group()
    cut.add_argument("--whole", action="store_true", help="never cut: every file is one utterance")
    cut.add_argument(
        "--window",
        type=float,
        metavar="SECONDS",
        help=f"cut longer files into windows of this length (default: files over {LONGEST:g} s, into {WINDOW:g} s)",
    )
    parser.add_argument(
        "--hop", type=float, metavar="SECONDS", help="from the start of a window to the next (default: half a window)"
    )
    return parser


def _cutting(options: argparse.Namespace) -> Cutting:
    if options.whole:
        if options.hop is not None:
            raise UserError("--hop cannot be used with --whole, which cuts no windows: pass only one of them")
        return label.WHOLE
    longest, window = (LONGEST, WINDOW) if options.window is None else (options.window, options.window)
    return Cutting(longest, window, window / 2 if options.hop is None else options.hop)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, OSError) as error:
        sys.exit(f"label: {error}")
