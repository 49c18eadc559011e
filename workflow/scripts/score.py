"""Score the predictions of one experiment, and count them by speaker."""

from ser import confusions, files, job, scores


def main(snakemake):
    given = snakemake.input
    files.write_rows(snakemake.output.scores, scores.COLUMNS, scores.score_files(given.predictions, given.test_sets))
    counts = confusions.count_files(given.predictions, given.test_sets, given.utterances)
    files.write_rows(snakemake.output.confusions, confusions.COLUMNS, counts)


if __name__ == "__main__":
    job.run(snakemake, main)
