"""Collect the scores of all experiments in one table."""

from ser.core import files
from ser.evaluation import scores
from ser.snakemake_support import script


def main(snakemake):
    files.write_rows(snakemake.output.scores, scores.COLUMNS, scores.merged(snakemake.input.scores))


if __name__ == "__main__":
    script.run(snakemake, main)
