"""Score the predictions of one experiment."""

from ser import files, job, scores


def main(snakemake):
    rows = scores.score_files(snakemake.input.predictions, snakemake.input.test_sets)
    files.write_rows(snakemake.output.scores, scores.COLUMNS, rows)


if __name__ == "__main__":
    job.run(snakemake, main)
