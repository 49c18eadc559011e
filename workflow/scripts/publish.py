"""Copy the tables, figures, scores and provenance of finished results into a folder of documentation.

Usage: python workflow/scripts/publish.py DIRECTORY FOLDER

DIRECTORY is a working directory of the workflow. Scores and confusion counts of every run, from which all else can be
computed, go to FOLDER/scores as compressed CSV. Pictures are reduced to the size and colours that a page needs. Where
a table and a figure have the same name, the figure and its CSV are published.
"""

import argparse
import lzma
import shutil
from pathlib import Path

from PIL import Image

PUBLISHED = ("tables/*.csv", "figures/*.csv", "claims*.csv", "claims.md", "audit*.csv", "provenance.json")
PICTURES = {"tables/*.png": 16, "figures/*.png": 256, "claims.png": 256}  # colours: fewer would change those of models
WIDTH = 1300  # pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="working directory of the workflow")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder to copy to")
    options = parser.parse_args()
    results = options.directory / "results"
    if not results.is_dir():
        parser.error(f"{results} does not exist: pass a working directory with finished results")
    (options.folder / "scores").mkdir(parents=True, exist_ok=True)
    for path in (path for pattern in PUBLISHED for path in sorted(results.glob(pattern))):
        shutil.copyfile(path, options.folder / path.name)
    for path in sorted(results.glob("scores/*.csv")):
        (options.folder / "scores" / f"{path.name}.xz").write_bytes(lzma.compress(path.read_bytes()))
    for pattern, colours in PICTURES.items():
        for path in sorted(results.glob(pattern)):
            with Image.open(path) as picture:
                picture = picture.convert("RGB")
                picture.thumbnail((WIDTH, 10 * WIDTH), Image.Resampling.LANCZOS)
                picture.quantize(colours).save(options.folder / path.name, optimize=True)


if __name__ == "__main__":
    main()
