"""Pre-trained encoders: fetched at a pinned revision, kept without what the encoder does not need.

INPUTS  a Hugging Face repository, or a local folder in its format
OUTPUTS resources/encoders/{encoder}/
"""


rule encoder:
    output:
        weights="resources/encoders/{encoder}/model.safetensors",
        config="resources/encoders/{encoder}/config.json",
        preprocessor="resources/encoders/{encoder}/preprocessor_config.json",
        revision="resources/encoders/{encoder}/revision.json",
    params:
        settings=lambda wildcards: uses("encoder.py", **encoder_checkpoint(wildcards)),
    log:
        "results/logs/encoder/{encoder}.log",
    benchmark:
        "results/benchmarks/encoder/{encoder}.tsv"
    retries: 2
    resources:
        mem_mb=16000,
        runtime=120,
    conda:
        "../../envs/ser.yaml"
    script:
        "../scripts/encoder.py"
