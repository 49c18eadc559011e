"""Collect the audits of all corpora in one table."""

from pathlib import Path

from ser.core import files
from ser.corpora import audit
from ser.snakemake_support import script


def main(snakemake):
    rows = [audit.summary(Path(path).parent.name, files.read_json(path)) for path in snakemake.input.audits]
    files.write_rows(snakemake.output.audits, list(rows[0]), rows)


if __name__ == "__main__":
    script.run(snakemake, main)
