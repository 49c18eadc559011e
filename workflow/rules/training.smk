"""Training runs: one job per model, source, target, shots and seed.

The rule is called `finetune` for all models, also for CNN-LSTM and the randomly initialised encoder, which are trained
from scratch. A zero-shot run uses no target data: its target is "any", and it is shared by all targets. A source is a
corpus or a set of corpora. A run whose target is its source is trained on the pool of the target's speakers alone.

INPUTS  corpora, splits, few-shot examples, encoders
OUTPUTS results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/
"""


rule finetune:
    input:
        source_frames=inputs.source_frames,
        source_utterances=collect("results/corpora/{corpus}/utterances.csv", corpus=inputs.source),
        source_overlaps=collect("results/corpora/{corpus}/overlaps.csv", corpus=inputs.source),
        source_splits=collect(
            "results/splits/{corpus}/seed{seed}/{role}.csv",
            corpus=inputs.source,
            role=inputs.training_role,
            allow_missing=True,
        ),
        target_frames=branch(inputs.is_few_shot, then=inputs.target_frames),
        target_utterances=branch(inputs.is_few_shot, then="results/corpora/{target}/utterances.csv"),
        target_overlaps=branch(inputs.is_few_shot, then="results/corpora/{target}/overlaps.csv"),
        target_split=branch(inputs.is_few_shot, then="results/splits/{target}/seed{seed}/target.csv"),
        subset=branch(inputs.is_few_shot, then="results/fewshot/{target}/{shots}-shot/seed{seed}.csv"),
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
