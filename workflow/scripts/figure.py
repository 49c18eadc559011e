"""Make a table or figure with the module of its name in `ser.figures`."""

import importlib

from ser.figures import style
from ser.snakemake_support import script


def main(snakemake):
    settings = snakemake.params.settings
    module = importlib.import_module(f"ser.figures.{settings['module']}")
    style.set_style()
    module.make(snakemake.input, snakemake.output, settings)


if __name__ == "__main__":
    script.run(snakemake, main)
