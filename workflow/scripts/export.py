"""Export a finished run as a folder that labels recordings anywhere, with a model card.

Usage: python workflow/scripts/export.py RUN FOLDER

RUN is results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}. What the folder holds is in docs/using.md.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ser.core.errors import UserError
from ser.deploy.export import export
from ser.deploy.trained import open_trained


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="results/runs/.../seed1")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="to be made")
    given = parser.parse_args(arguments)
    trained = open_trained(given.run)
    export(trained, given.folder)
    print(f"{given.folder}: {trained.name}. Before you pass it on, read its README.md")


if __name__ == "__main__":
    try:
        main()
    except (UserError, OSError) as error:
        sys.exit(f"export: {error}")
