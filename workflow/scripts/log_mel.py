"""Compute the log-mel frames of a corpus, used by all runs of CNN-LSTM."""

from ser.core import files
from ser.corpora import audio_array
from ser.models import log_mel
from ser.snakemake_support import script


def main(snakemake):
    rows = files.read_rows(snakemake.input.utterances)
    waveforms = audio_array.waveforms_of(rows, audio_array.open_audio(snakemake.input.audio))
    frames = [log_mel.log_mel(audio_array.as_float(waveform)) for waveform in waveforms]
    audio_array.write_array(snakemake.output.frames, frames, sum(map(len, frames)))


if __name__ == "__main__":
    script.run(snakemake, main)
