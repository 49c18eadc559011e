"""Turn a published archive into 16 kHz mono audio and a table of utterances."""

from ser import audio, files, ingestion, job
from ser.vocabulary import UTTERANCE_COLUMNS


def main(snakemake):
    rows, waveforms, about = ingestion.ingest(str(snakemake.input.archive), snakemake.params.settings)
    for warning in about["verification"].get("warnings", []):
        job.log.warning("%s: %s", snakemake.wildcards.corpus, warning)
    audio.write_array(snakemake.output.audio, waveforms, sum(row["samples"] for row in rows))
    files.write_rows(snakemake.output.utterances, UTTERANCE_COLUMNS, rows)
    files.write_json(snakemake.output.archive, about)


if __name__ == "__main__":
    job.run(snakemake, main)
