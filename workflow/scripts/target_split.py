"""Split a target's groups into the pool of few-shot samples and the test set."""

from ser.core import files
from ser.corpora import leakage, splits
from ser.snakemake_support import script


def main(snakemake):
    rows, overlaps = files.read_rows(snakemake.input.utterances), files.read_rows(snakemake.input.overlaps)
    wildcards = snakemake.wildcards
    least = snakemake.params.settings["pool_per_emotion"]
    roles = splits.target_split(rows, overlaps, int(wildcards.seed), least, wildcards.corpus)
    leakage.check_no_leak(rows, overlaps, roles, snakemake.output.split)
    files.write_rows(snakemake.output.split, ("utterance", "role"), roles.items())


if __name__ == "__main__":
    script.run(snakemake, main)
