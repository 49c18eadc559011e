"""Prediction: every utterance of a target in one condition, one file per run, target and condition.

INPUTS  weights of a run, a corpus in one condition
OUTPUTS results/predictions/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/{condition}.csv
"""


rule predict:
    input:
        weights=inputs.run_weights,
        frames=inputs.target_frames,
        utterances="results/corpora/{target}/utterances.csv",
        encoder=inputs.encoder,
    output:
        predictions="results/predictions/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/{condition}.csv",
    log:
        "results/logs/predict/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/{condition}.log",
    benchmark:
        "results/benchmarks/predict/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/{condition}.tsv"
    conda:
        "../../envs/ser.yaml"
    resources:
        gpu=settings.gpu,
        mem_mb=settings.memory,
        runtime=settings.runtime,
    params:
        settings=settings.predict,
    script:
        "../scripts/predict.py"
