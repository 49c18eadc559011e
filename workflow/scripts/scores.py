"""Put the scores of all experiments into one table."""

from ser import files, job, scores


def main(snakemake):
    files.write_rows(snakemake.output.scores, scores.COLUMNS, scores.merged(snakemake.input.scores))


if __name__ == "__main__":
    job.run(snakemake, main)
