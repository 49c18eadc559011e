"""Collect what the audits of all corpora found in one table."""

from pathlib import Path

from ser import audit, files, job


def main(snakemake):
    rows = [audit.summary(Path(path).parent.name, files.read_json(path)) for path in snakemake.input.audits]
    files.write_rows(snakemake.output.audits, list(rows[0]), rows)


if __name__ == "__main__":
    job.run(snakemake, main)
