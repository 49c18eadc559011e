"""Draw balanced few-shot examples from a target's pool."""

from ser.core import files
from ser.corpora import few_shot, leakage
from ser.snakemake_support import script


def main(snakemake):
    rows = files.read_rows(snakemake.input.utterances)
    roles = leakage.read_roles(snakemake.input.split)
    leakage.check_complete(rows, roles, snakemake.input.split)
    pool = [row for row in rows if roles[row["utterance"]] == "pool"]
    wildcards = snakemake.wildcards
    subset = few_shot.few_shot_subset(pool, int(wildcards.shots), int(wildcards.seed), wildcards.target)
    files.write_rows(snakemake.output.subset, ("utterance",), [(utterance,) for utterance in subset])


if __name__ == "__main__":
    script.run(snakemake, main)
