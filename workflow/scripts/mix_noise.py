"""Mix every utterance of a corpus with noise, for a noisy test condition."""

from ser.core import files
from ser.corpora import audio_array, noise
from ser.snakemake_support import script

COLUMNS = ("utterance", "environment", "offset", "snr_db", "gain")


def main(snakemake):
    settings = snakemake.params.settings
    noises = {
        environment: noise.read_environment(archive, environment)
        for environment, archive in zip(settings["environments"], snakemake.input.noise, strict=True)
    }
    utterances = files.read_rows(snakemake.input.utterances)
    clean = audio_array.open_audio(snakemake.input.audio)
    environments = noise.choose_environments(utterances, settings["environments"])
    mixing = []

    def mixtures():
        for row, speech in zip(utterances, audio_array.waveforms_of(utterances, clean), strict=True):
            utterance, environment = row["utterance"], environments[row["utterance"]]
            mixture = noise.mix_at_snr(utterance, speech, noises[environment], settings["snr_db"])
            mixing.append((utterance, environment, mixture.offset, f"{mixture.snr_db:.5f}", f"{mixture.gain:.9f}"))
            yield mixture.samples

    audio_array.write_array(snakemake.output.audio, mixtures(), len(clean))
    files.write_rows(snakemake.output.mixing, COLUMNS, mixing)


if __name__ == "__main__":
    script.run(snakemake, main)
