"""Split a source into train and dev sets, or a target into pool and test sets."""

from ser.core import files
from ser.corpora import leakage, splits
from ser.snakemake_support import script


def main(snakemake):
    rows, overlaps = files.read_rows(snakemake.input.utterances), files.read_rows(snakemake.input.overlaps)
    corpus, seed = snakemake.wildcards.corpus, int(snakemake.wildcards.seed)
    if snakemake.wildcards.role == "source":
        roles = splits.source_split(rows, overlaps, seed, corpus)
    else:
        roles = splits.target_split(rows, overlaps, seed, snakemake.params.settings["pool_per_emotion"], corpus)
    leakage.check_no_leak(rows, overlaps, roles, snakemake.output.split)
    files.write_rows(snakemake.output.split, ("utterance", "role"), roles.items())


if __name__ == "__main__":
    script.run(snakemake, main)
