"""Fine-tuning: one job per model, source, target, shots and repetition.

A zero-shot run sees no target data: its target is "any", and it serves every target.

INPUTS  corpora, splits, few-shot samples, encoders
OUTPUTS results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/
"""


rule finetune:
    input:
        unpack(target_samples),
        source_frames=lambda wildcards: frames_of(wildcards.model, wildcards.source, CLEAN),
        source_utterances="results/corpora/{source}/utterances.csv",
        source_overlaps="results/corpora/{source}/overlaps.csv",
        source_split="results/splits/{source}/seed{seed}/source.csv",
        encoder=encoder_of,
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
    threads: 1
    resources:
        gpu=gpu(),
        mem_mb=memory_of("finetune"),
        runtime=minutes_of("finetune"),
    params:
        settings=lambda wildcards: finetune_settings(wildcards.model),
    script:
        "../scripts/finetune.py"
