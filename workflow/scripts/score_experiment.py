"""Score the predictions of one experiment, and count confusions by speaker."""

from pathlib import Path

from ser.core import files
from ser.evaluation import confusions, scores
from ser.snakemake_support import script


def main(snakemake):
    given, settings = snakemake.input, snakemake.params.settings
    utterances = {Path(path).parent.name: files.read_rows(path) for path in given.utterances}
    training, conditions, scored, counted = scores.read_training(given.runs), settings["conditions"], [], []
    # one at a time: those of a whole experiment may take over 1 GB
    for one in scores.read_predictions(given.predictions, given.test_sets, utterances, conditions):
        scored += scores.score(one, utterances[one.target], training[one.run], conditions[one.condition])
        counted += confusions.count(one)
    files.write_rows(snakemake.output.scores, scores.COLUMNS, sorted(scored, key=scores.sort_key))
    files.write_rows(snakemake.output.confusions, confusions.COLUMNS, sorted(counted, key=confusions.sort_key))


if __name__ == "__main__":
    script.run(snakemake, main)
