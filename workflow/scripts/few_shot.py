"""Draw balanced few-shot samples from a target's pool."""

from ser import fewshot, files, job


def main(snakemake):
    roles = {row["utterance"]: row["role"] for row in files.read_rows(snakemake.input.split)}
    pool = [row for row in files.read_rows(snakemake.input.utterances) if roles[row["utterance"]] == "pool"]
    wildcards = snakemake.wildcards
    subset = fewshot.few_shot_subset(pool, int(wildcards.shots), int(wildcards.seed), wildcards.target)
    files.write_rows(snakemake.output.subset, ("utterance",), [(utterance,) for utterance in subset])


if __name__ == "__main__":
    job.run(snakemake, main)
