"""Split a source's groups into training and development."""

from ser.core import files
from ser.corpora import leakage, splits
from ser.snakemake_support import script


def main(snakemake):
    rows, overlaps = files.read_rows(snakemake.input.utterances), files.read_rows(snakemake.input.overlaps)
    wildcards = snakemake.wildcards
    roles = splits.source_split(rows, overlaps, int(wildcards.seed), wildcards.corpus)
    leakage.check_no_leak(rows, overlaps, roles, snakemake.output.split)
    files.write_rows(snakemake.output.split, ("utterance", "role"), roles.items())


if __name__ == "__main__":
    script.run(snakemake, main)
