"""Training runs: one job per model, source, target, shots and seed.

The rule is called `finetune` for all models, also for CNN-LSTM and the randomly initialised encoder, which are trained
from scratch. A zero-shot run uses no target data: its target is "any", and it is shared by all targets. A source is a
corpus or a set of corpora. A run whose target is its source is trained on the pool of the target's speakers alone.

INPUTS  corpora, splits, few-shot examples, encoders
OUTPUTS results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/
"""


rule finetune:
    input:
        unpack(inputs.few_shot_examples),
        source_frames=inputs.source_frames,
        source_utterances=inputs.source_utterances,
        source_overlaps=inputs.source_overlaps,
        source_splits=inputs.training_splits,
        encoder=inputs.encoder,
    output:
        weights="results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/weights.safetensors",
        history="results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/history.csv",
        run="results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/run.json",
    log:
        "results/logs/finetune/{model}/{source}-to-{target}/{shots}-shot/seed{seed}.log",
    benchmark:
        "results/benchmarks/finetune/{model}/{source}-to-{target}/{shots}-shot/seed{seed}.tsv"
    conda:
        "../../envs/ser.yaml"
    resources:
        gpu=settings.gpu,
        device=settings.device,
        mem_mb=settings.memory,
        runtime=settings.runtime,
    params:
        settings=settings.finetune,
    script:
        "../scripts/finetune.py"
