"""Find utterances of a corpus that overlap, wholly or in part."""

from dataclasses import asdict, fields

from ser.core import files
from ser.corpora import audio_array, overlaps
from ser.snakemake_support import script


def main(snakemake):
    rows = files.read_rows(snakemake.input.utterances)
    waveforms = audio_array.waveforms_of(rows, audio_array.open_audio(snakemake.input.audio))
    found = overlaps.find_overlaps([row["utterance"] for row in rows], waveforms)
    columns = [field.name for field in fields(overlaps.Overlap)]
    files.write_rows(snakemake.output.overlaps, columns, [asdict(overlap) for overlap in found])


if __name__ == "__main__":
    script.run(snakemake, main)
