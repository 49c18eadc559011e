"""Score the predictions of one experiment, and count them by speaker."""

from ser.core import files
from ser.evaluation import confusions, scores
from ser.snakemake_support import script


def main(snakemake):
    given = snakemake.input
    files.write_rows(snakemake.output.scores, scores.COLUMNS, scores.score_files(given.predictions, given.test_sets))
    counts = confusions.count_files(given.predictions, given.test_sets, given.utterances)
    files.write_rows(snakemake.output.confusions, confusions.COLUMNS, counts)


if __name__ == "__main__":
    script.run(snakemake, main)
