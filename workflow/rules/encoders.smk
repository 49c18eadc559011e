"""Pre-trained encoders: checkpoints are downloaded at a pinned revision; only the encoder is kept.

The whole download stays in the Hugging Face cache.

INPUTS  a Hugging Face repository, or a local folder in its format; results/corpora/ (pooled vectors)
OUTPUTS resources/encoders/{encoder}/, results/corpora/{corpus}/{condition}/pooled/{encoding}.npy
"""


rule encoder:
    """Download a checkpoint and save its encoder."""
    input:
        checkpoint=inputs.checkpoint,
    output:
        weights="resources/encoders/{encoder}/model.safetensors",
        config="resources/encoders/{encoder}/config.json",
        preprocessor="resources/encoders/{encoder}/preprocessor_config.json",
        revision="resources/encoders/{encoder}/revision.json",
    log:
        "results/logs/encoder/{encoder}.log",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.encoder,
    script:
        "../scripts/encoder.py"


rule pooled:
    """Compute a frozen encoder's pooled vectors (the average over time of its output, one per utterance).

    All training runs of a classification head on this encoder use them.
    """
    input:
        audio="results/corpora/{corpus}/{condition}/audio.npy",
        utterances="results/corpora/{corpus}/utterances.csv",
        encoder=inputs.pooling_encoder,
    output:
        vectors="results/corpora/{corpus}/{condition}/pooled/{encoding}.npy",
    log:
        "results/logs/pooled/{corpus}/{condition}/{encoding}.log",
    benchmark:
        "results/benchmarks/pooled/{corpus}/{condition}/{encoding}.tsv"
    wildcard_constraints:
        encoding=names(inputs.frozen_models),
    conda:
        "../../envs/ser.yaml"
    resources:
        gpu=settings.gpu,
        device=settings.device,
        mem_mb=settings.memory,
        runtime=settings.runtime,
    params:
        settings=settings.pooled,
    script:
        "../scripts/pooled.py"
