"""Put the scores of all experiments into one table."""

from ser.core import files
from ser.evaluation import scores
from ser.snakemake_support import script


def main(snakemake):
    expected = dict(zip(snakemake.input.scores, snakemake.params.settings["scores"], strict=True))
    files.write_rows(snakemake.output.scores, scores.COLUMNS, scores.merged(expected))


if __name__ == "__main__":
    script.run(snakemake, main)
