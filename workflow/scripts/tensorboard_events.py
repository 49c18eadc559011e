"""Write the histories of finished trainings as TensorBoard event files, beside the results, which stay as they are.

Usage: python workflow/scripts/tensorboard_events.py [--directory D] [--to FOLDER]

It needs TensorBoard, which the pip lock has (envs/requirements.txt), and the conda environment has not.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from ser.core.errors import UserError

# What TensorBoard groups curves by, of each column of a history but the epoch.
TAGS = {"train_loss": "loss/train", "dev_loss": "loss/development", "dev_uar": "UAR/development"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write one folder of events for each run, and say how to look at them."""
    given = _parser().parse_args(arguments)
    histories = sorted(given.directory.glob("results/runs/*/*/*/*/history.csv"))
    if not histories:
        raise UserError(f"{given.directory / 'results' / 'runs'} holds no finished training")
    folder = given.to or given.directory / "results" / "tensorboard"
    SummaryWriter = _summary_writer()
    for path in histories:
        run = path.parent.relative_to(given.directory / "results" / "runs")
        for earlier in (folder / run).glob("events.out.tfevents.*"):  # TensorBoard would draw them too
            earlier.unlink()
        with SummaryWriter(folder / run) as writer:
            for tag, value, epoch in scalars(path):
                writer.add_scalar(tag, value, epoch, walltime=path.stat().st_mtime)
    print(f"{len(histories)} trainings written. To see them: tensorboard --logdir {folder}")


def scalars(history: Path) -> Iterator[tuple[str, float, int]]:
    """Tag, value and epoch of everything that a training's `history.csv` holds."""
    for row in pd.read_csv(history).to_dict("records"):
        for column, tag in TAGS.items():
            yield tag, row[column], int(row["epoch"])


def _summary_writer():
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UserError(
            "TensorBoard is not installed: the workflow itself does without it. To add it to the environment:\n"
            f"  {sys.executable} -m pip install --constraint envs/requirements.txt tensorboard==2.21.0"
        ) from None
    return SummaryWriter


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", "-d", type=Path, default=Path(), help="where the run works (default: here)")
    parser.add_argument("--to", type=Path, help="where to write (default: results/tensorboard in the directory)")
    return parser


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"tensorboard: {error}")
