"""Mix every utterance of a corpus with noise, for testing only."""

from ser import audio, files, job, noise

COLUMNS = ("utterance", "environment", "offset", "snr_db", "gain")


def main(snakemake):
    settings = snakemake.params.settings
    noises = {
        environment: noise.read_environment(archive, environment)
        for environment, archive in zip(settings["environments"], snakemake.input.noise, strict=True)
    }
    clean = audio.open_audio(snakemake.input.audio)
    rows, waveforms = [], []
    for row in files.read_rows(snakemake.input.utterances):
        start, samples = int(row["start"]), int(row["samples"])
        mixture = noise.mix_at_snr(
            row["utterance"], clean[start : start + samples], noises, settings["environments"], settings["snr_db"]
        )
        waveforms.append(mixture.samples)
        rows.append(
            (row["utterance"], mixture.environment, mixture.offset, f"{mixture.snr_db:.5f}", f"{mixture.gain:.9f}")
        )
    audio.write_audio(snakemake.output.audio, waveforms)
    files.write_rows(snakemake.output.mixing, COLUMNS, rows)


if __name__ == "__main__":
    job.run(snakemake, main)
