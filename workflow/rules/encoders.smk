"""Pre-trained encoders: fetched at a pinned revision, kept without what the encoder does not need.

INPUTS  a Hugging Face repository, or a local folder in its format
OUTPUTS resources/encoders/{encoder}/
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
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=16000,
        runtime=120,
    params:
        settings=lambda wildcards: uses(
            "encoder.py",
            families.source(encoder_checkpoint(wildcards)["family"]),
            **encoder_checkpoint(wildcards),
        ),
    script:
        "../scripts/encoder.py"
