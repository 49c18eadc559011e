"""Split a source's groups into training and development."""

from ser import files, job, splits


def main(snakemake):
    rows = files.read_rows(snakemake.input.utterances)
    roles = splits.source_split(rows, int(snakemake.wildcards.seed), snakemake.wildcards.corpus)
    files.write_rows(snakemake.output.split, ("utterance", "role"), roles.items())


if __name__ == "__main__":
    job.run(snakemake, main)
