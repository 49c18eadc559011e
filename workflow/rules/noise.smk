"""Noisy test conditions.

INPUTS  results/corpora/{corpus}/clean/audio.npy, DEMAND's environments
OUTPUTS results/corpora/{corpus}/{condition}/audio.npy, mixing.csv
"""


rule download_noise:
    output:
        "resources/noise/{environment}_16k.zip",
    log:
        "results/logs/download_noise/{environment}.log",
    benchmark:
        "results/benchmarks/download_noise/{environment}.tsv"
    wildcard_constraints:
        environment=names(download.environments(config["noise"])),
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        runtime=240,
        mem_mb=2000,
    params:
        # untracked, as for corpora
        source=lambda wildcards, output: download.noise_source(config["noise"], wildcards.environment),
    script:
        "../scripts/download.py"


rule noise:
    input:
        audio=f"results/corpora/{{corpus}}/{CLEAN}/audio.npy",
        utterances="results/corpora/{corpus}/utterances.csv",
        noise=noise_archives,
    output:
        audio="results/corpora/{corpus}/{condition}/audio.npy",
        mixing="results/corpora/{corpus}/{condition}/mixing.csv",
    log:
        "results/logs/noise/{corpus}/{condition}.log",
    benchmark:
        "results/benchmarks/noise/{corpus}/{condition}.tsv"
    wildcard_constraints:
        condition=names(name for name in config["conditions"] if name != CLEAN),
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("noise"),
        runtime=minutes_of("noise"),
    params:
        settings=lambda wildcards: uses("mix_noise.py", **config["conditions"][wildcards.condition]),
    script:
        "../scripts/mix_noise.py"
