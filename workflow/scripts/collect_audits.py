"""Collect the audits of all corpora in tables: a row per corpus, emotion and speaker."""

from pathlib import Path

from ser.core import files
from ser.corpora import audit
from ser.snakemake_support import script


def main(snakemake):
    reports = {Path(path).parent.name: files.read_json(path) for path in snakemake.input.audits}
    tables = {
        snakemake.output.audits: [audit.summary(*item) for item in reports.items()],
        snakemake.output.emotions: [row for item in reports.items() for row in audit.by_emotion(*item)],
        snakemake.output.speakers: [row for item in reports.items() for row in audit.by_speaker(*item)],
    }
    for path, rows in tables.items():
        files.write_rows(path, list(rows[0]), rows)


if __name__ == "__main__":
    script.run(snakemake, main)
