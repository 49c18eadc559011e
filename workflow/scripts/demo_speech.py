"""Synthesise one corpus of the demo as an archive in a real corpus's layout."""

from pathlib import Path

import yaml

from ser.demo import layouts, speech, writing
from ser.snakemake_support import script


def main(snakemake):
    language = yaml.safe_load(Path(snakemake.input.language).read_text(encoding="utf-8"))
    layout = layouts.LAYOUTS[snakemake.wildcards.layout]()
    writing.write_archive(snakemake.output.archive, speech.spoken_members(layout, language))


if __name__ == "__main__":
    script.run(snakemake, main)
