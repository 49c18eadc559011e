"""Put the scores of all experiments into one table."""

from ser import files, job, scores


def main(snakemake):
    expected = dict(zip(snakemake.input.scores, snakemake.params.settings["scores"], strict=True))
    files.write_rows(snakemake.output.scores, scores.COLUMNS, scores.merged(expected))


if __name__ == "__main__":
    job.run(snakemake, main)
