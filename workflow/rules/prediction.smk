"""Prediction: one job per training run, for all targets and conditions that the experiments need.

INPUTS  weights of a training run, corpora in their conditions
OUTPUTS results/predictions/{model}/{source}-to-{target}/{shots}-shot/seed{seed}.csv
        results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/calibration.safetensors, if adapted
"""


rule calibrate:
    """Statistics of the source's training data, and a temperature fitted on its development data."""
    input:
        weights="results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/weights.safetensors",
        source_frames=inputs.source_frames,
        source_utterances=inputs.source_utterances,
        source_overlaps=inputs.source_overlaps,
        source_splits=inputs.training_splits,
        encoder=inputs.encoder,
    output:
        calibration="results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/calibration.safetensors",
    log:
        "results/logs/calibrate/{model}/{source}-to-{target}/{shots}-shot/seed{seed}.log",
    benchmark:
        "results/benchmarks/calibrate/{model}/{source}-to-{target}/{shots}-shot/seed{seed}.tsv"
    conda:
        "../../envs/ser.yaml"
    resources:
        gpu=settings.gpu,
        device=settings.device,
        mem_mb=settings.memory,
        runtime=settings.runtime,
    params:
        settings=settings.calibrate,
    script:
        "../scripts/calibrate.py"


rule predict:
    input:
        weights="results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/weights.safetensors",
        frames=inputs.predicted_frames,
        utterances=inputs.predicted_utterances,
        encoder=inputs.encoder,
        calibration=inputs.calibration,
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
