"""Pre-trained encoders: fetched at a pinned revision, kept without what the encoder does not need.

INPUTS  a Hugging Face repository, or a local folder in its format; corpora
OUTPUTS resources/encoders/{encoder}/, results/corpora/{corpus}/{condition}/pooled/{encoding}.npy
"""


rule encoder:
    input:
        checkpoint=local_checkpoint,
    output:
        weights="resources/encoders/{encoder}/model.safetensors",
        config="resources/encoders/{encoder}/config.json",
        preprocessor="resources/encoders/{encoder}/preprocessor_config.json",
        revision="resources/encoders/{encoder}/revision.json",
    log:
        "results/logs/encoder/{encoder}.log",
    benchmark:
        "results/benchmarks/encoder/{encoder}.tsv"
    retries: 2
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("encoder"),
        runtime=minutes_of("encoder"),
    params:
        settings=lambda wildcards: uses(
            "encoder.py",
            families.source(encoder_checkpoint(wildcards)["family"]),
            **encoder_checkpoint(wildcards),
        ),
    script:
        "../scripts/encoder.py"


rule pooled:
    """What a frozen encoder makes of every utterance, for all runs that train a head on it."""
    input:
        audio="results/corpora/{corpus}/{condition}/audio.npy",
        utterances="results/corpora/{corpus}/utterances.csv",
        encoder=lambda wildcards: encoder_inputs(frozen_models()[wildcards.encoding]),
    output:
        vectors="results/corpora/{corpus}/{condition}/pooled/{encoding}.npy",
    log:
        "results/logs/pooled/{corpus}/{condition}/{encoding}.log",
    benchmark:
        "results/benchmarks/pooled/{corpus}/{condition}/{encoding}.tsv"
    wildcard_constraints:
        encoding=names(frozen_models()),
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        gpu=gpu(),
        mem_mb=memory_of("pooled"),
        runtime=minutes_of("pooled"),
    params:
        settings=lambda wildcards: uses(
            "pooled.py",
            families.source(frozen_models()[wildcards.encoding]["family"]),
            model=encoder_settings(frozen_models()[wildcards.encoding]),
        ),
    script:
        "../scripts/pooled.py"
