"""Noisy test conditions.

INPUTS  results/corpora/{corpus}/clean/audio.npy, utterances.csv, DEMAND's environments
OUTPUTS resources/noise/{environment}_16k.zip
        results/corpora/{corpus}/{condition}/audio.npy, mixing.csv
"""


rule download_noise:
    output:
        "resources/noise/{environment}_16k.zip",
    log:
        "results/logs/download_noise/{environment}.log",
    wildcard_constraints:
        environment=names(download.environments(config["noise"])),
    retries: 3
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.download_noise,
    script:
        "../scripts/download.py"


rule noise:
    """Mix every utterance of a corpus with noise, for a noisy test condition."""
    input:
        audio="results/corpora/{corpus}/clean/audio.npy",
        utterances="results/corpora/{corpus}/utterances.csv",
        noise=inputs.noise_archives,
    output:
        audio="results/corpora/{corpus}/{condition}/audio.npy",
        mixing="results/corpora/{corpus}/{condition}/mixing.csv",
    log:
        "results/logs/noise/{corpus}/{condition}.log",
    wildcard_constraints:
        condition=names(name for name in config["conditions"] if name != CLEAN),
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.noise,
    script:
        "../scripts/mix_noise.py"
