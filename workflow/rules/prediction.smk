"""Prediction: one job per training run, for all targets and conditions that the experiments need.

INPUTS  weights of a training run, corpora in their conditions
OUTPUTS results/predictions/{model}/{source}-to-{target}/{shots}-shot/seed{seed}.csv
"""


rule predict:
    input:
        weights="results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/weights.safetensors",
        frames=inputs.predicted_frames,
        utterances=inputs.predicted_utterances,
        encoder=inputs.encoder,
    output:
        predictions="results/predictions/{model}/{source}-to-{target}/{shots}-shot/seed{seed}.csv",
    log:
        "results/logs/predict/{model}/{source}-to-{target}/{shots}-shot/seed{seed}.log",
    benchmark:
        "results/benchmarks/predict/{model}/{source}-to-{target}/{shots}-shot/seed{seed}.tsv"
    conda:
        "../../envs/ser.yaml"
    resources:
        gpu=settings.gpu,
        device=settings.device,
        mem_mb=settings.memory,
        runtime=settings.runtime,
    params:
        settings=settings.predict,
    script:
        "../scripts/predict.py"
