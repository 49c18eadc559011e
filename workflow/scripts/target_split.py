"""Split a target's groups into the pool of few-shot samples and the test set."""

from ser import files, job, splits


def main(snakemake):
    rows = files.read_rows(snakemake.input.utterances)
    pool_per_emotion = snakemake.params.settings["pool_per_emotion"]
    roles = splits.target_split(rows, int(snakemake.wildcards.seed), pool_per_emotion, snakemake.wildcards.corpus)
    files.write_rows(snakemake.output.split, ("utterance", "role"), roles.items())


if __name__ == "__main__":
    job.run(snakemake, main)
