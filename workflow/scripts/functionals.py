"""Compute the functionals of a corpus, used by all runs of an SVM."""

import numpy as np

from ser.core import files
from ser.corpora import audio_array
from ser.models import functionals
from ser.snakemake_support import script


def main(snakemake):
    rows = files.read_rows(snakemake.input.utterances)
    extract = functionals.extractor(snakemake.wildcards.features)
    waveforms = audio_array.waveforms_of(rows, audio_array.open_audio(snakemake.input.audio))
    vectors = np.stack([extract(audio_array.as_float(waveform)) for waveform in waveforms])
    audio_array.write_array(snakemake.output.functionals, [vectors], len(vectors))


if __name__ == "__main__":
    script.run(snakemake, main)
