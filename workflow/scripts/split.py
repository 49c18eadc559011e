"""Split a source (train, dev), a target (pool, test), or a corpus to train and test within it (train, dev, test)."""

from ser.core import files
from ser.corpora import leakage, splits
from ser.snakemake_support import script


def main(snakemake):
    rows, overlaps = files.read_rows(snakemake.input.utterances), files.read_rows(snakemake.input.overlaps)
    corpus, seed, settings = snakemake.wildcards.corpus, int(snakemake.wildcards.seed), snakemake.params.settings
    match snakemake.wildcards.role:
        case "source":
            roles = splits.source_split(rows, overlaps, seed, corpus)
        case "target":
            roles = splits.target_split(rows, overlaps, seed, settings["pool_per_emotion"], corpus)
        case _:  # within
            examples = snakemake.input.examples  # none: the whole pool
            names = [row["utterance"] for row in files.read_rows(examples)] if examples else None
            roles = splits.within_split(rows, overlaps, seed, settings["pool_per_emotion"], corpus, names)
    leakage.check_no_leak(rows, overlaps, roles, snakemake.output.split)
    files.write_rows(snakemake.output.split, ("utterance", "role"), roles.items())


if __name__ == "__main__":
    script.run(snakemake, main)
