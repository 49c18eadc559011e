"""Render the captions of results."""

from pathlib import Path

from ser.core import files
from ser.figures import captions
from ser.snakemake_support import script


def main(snakemake):
    for path in snakemake.output:
        result = Path(path).stem
        text = captions.render(
            f"{result}.rst", snakemake.input[result], **snakemake.params.settings["captions"][result]
        )
        files.write_text(path, text)


if __name__ == "__main__":
    script.run(snakemake, main)
