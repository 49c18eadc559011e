"""Compute the log-mel frames of a whole corpus once, for all runs of CNN-LSTM."""

import numpy as np

from ser import audio, files, job, log_mel


def main(snakemake):
    samples = audio.open_audio(snakemake.input.audio)
    frames = []
    for row in files.read_rows(snakemake.input.utterances):
        start, end = int(row["start"]), int(row["start"]) + int(row["samples"])
        frames.append(log_mel.log_mel(audio.as_float(samples[start:end])))
    with files.written_whole(snakemake.output.frames) as temporary:
        np.save(temporary, np.concatenate(frames))


if __name__ == "__main__":
    job.run(snakemake, main)
