"""Score the predictions of one experiment, and count confusions by speaker."""

from pathlib import Path

from ser.core import files
from ser.evaluation import confusions, scores
from ser.snakemake_support import script


def main(snakemake):
    given, settings = snakemake.input, snakemake.params.settings
    utterances = {Path(path).parent.name: files.read_rows(path) for path in given.utterances}
    speakers = {target: {row["utterance"]: row["speaker"] for row in rows} for target, rows in utterances.items()}
    training, scored, counted = scores.read_training(given.runs), [], []
    predictions = scores.read_predictions(
        given.predictions, given.test_sets, settings["targets"], settings["conditions"]
    )
    for one in predictions:  # those of a whole experiment may take over 1 GB
        scored += scores.score_all([one], utterances, training, settings["conditions"])
        counted += confusions.count([one], speakers)
    files.write_rows(snakemake.output.scores, scores.COLUMNS, sorted(scored, key=scores.sort_key))
    files.write_rows(snakemake.output.confusions, confusions.COLUMNS, sorted(counted, key=confusions.sort_key))


if __name__ == "__main__":
    script.run(snakemake, main)
