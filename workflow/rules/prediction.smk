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
        source_utterances=collect("results/corpora/{corpus}/utterances.csv", corpus=inputs.source),
        source_overlaps=collect("results/corpora/{corpus}/overlaps.csv", corpus=inputs.source),
        source_splits=collect(
            "results/splits/{corpus}/seed{seed}/{role}.csv",
            corpus=inputs.source,
            role=inputs.training_role,
            allow_missing=True,
        ),
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
        utterances=collect("results/corpora/{corpus}/utterances.csv", corpus=inputs.predicted_corpora),
        encoder=inputs.encoder,
        calibration=branch(
            inputs.needs_calibration,
            then="results/runs/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/calibration.safetensors",
        ),
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
