"""Render the caption of a result."""

from ser.core import files
from ser.figures import captions
from ser.snakemake_support import script


def main(snakemake):
    settings = {key: value for key, value in snakemake.params.settings.items() if key != "code"}
    text = captions.render(f"{snakemake.wildcards.result}.rst", list(snakemake.input), **settings)
    files.write_text(snakemake.output.caption, text)


if __name__ == "__main__":
    script.run(snakemake, main)
