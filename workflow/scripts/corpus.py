"""Convert a corpus archive to 16 kHz mono audio and a table of utterances."""

import logging

from ser.core import files
from ser.core.constants import UTTERANCE_COLUMNS
from ser.corpora import audio_array, ingest
from ser.snakemake_support import script

log = logging.getLogger(__name__)
PARTS_OF_INPUT = ("code", "listing", "table")  # hashes of code and of the user's files


def main(snakemake):
    rows, waveforms, about = ingest.ingest(str(snakemake.input.archive), snakemake.params.settings)
    for warning in about["verification"]["warnings"]:
        log.warning("%s: %s", snakemake.wildcards.corpus, warning)
    audio_array.write_array(snakemake.output.audio, waveforms, sum(row["samples"] for row in rows))
    files.write_rows(snakemake.output.utterances, UTTERANCE_COLUMNS, rows)
    settings = {key: value for key, value in snakemake.params.settings.items() if key not in PARTS_OF_INPUT}
    files.write_json(snakemake.output.archive, about | {"settings": settings})


if __name__ == "__main__":
    script.run(snakemake, main)
