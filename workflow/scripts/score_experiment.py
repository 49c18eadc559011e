"""Score the predictions of one experiment, and count confusions by speaker."""

from pathlib import Path

from ser.core import files
from ser.evaluation import confusions, scores
from ser.snakemake_support import script


def main(snakemake):
    given, settings = snakemake.input, snakemake.params.settings
    predictions = list(
        scores.read_predictions(given.predictions, given.test_sets, settings["targets"], settings["conditions"])
    )
    utterances = {Path(path).parent.name: files.read_rows(path) for path in given.utterances}
    speakers = {target: {row["utterance"]: row["speaker"] for row in rows} for target, rows in utterances.items()}
    scored = scores.score_all(predictions, utterances, scores.read_training(given.runs), settings["conditions"])
    files.write_rows(snakemake.output.scores, scores.COLUMNS, scored)
    files.write_rows(snakemake.output.confusions, confusions.COLUMNS, confusions.count(predictions, speakers))


if __name__ == "__main__":
    script.run(snakemake, main)
