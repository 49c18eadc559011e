"""Export a trained model as a self-contained folder with a model card.

Usage: python workflow/scripts/export.py RUN FOLDER

RUN is results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}.
docs/how-to/trained-model.md lists the folder's files.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ser.core.errors import UserError
from ser.deploy.export import export
from ser.deploy.trained import open_trained


def main(arguments: Sequence[str] | None = None) -> None:
    """Export the model to the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="results/runs/.../seed1")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="new folder")
    options = parser.parse_args(arguments)
    trained = open_trained(options.run)
    export(trained, options.folder)
    print(f"Exported {trained.run.path} to {options.folder}. Read its README.md before sharing the model.")


if __name__ == "__main__":
    try:
        main()
    except (UserError, OSError) as error:
        sys.exit(f"export: {error}")
