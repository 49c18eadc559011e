"""Prediction: every utterance of a target in one condition, one file per run, target and condition.

INPUTS  weights of a run, a corpus in one condition
OUTPUTS results/predictions/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/{condition}.csv
"""


rule predict:
    input:
        weights=run_behind,
        frames=lambda wildcards: frames_of(wildcards.model, wildcards.target, wildcards.condition),
        utterances="results/corpora/{target}/utterances.csv",
        encoder=encoder_of,
    output:
        predictions="results/predictions/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/{condition}.csv",
    log:
        "results/logs/predict/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/{condition}.log",
    benchmark:
        "results/benchmarks/predict/{model}/{source}-to-{target}/{shots}-shot/seed{seed}/{condition}.tsv"
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        gpu=gpu(),
        turn=1,  # in a cluster's job of many, one after the other (profiles/slurm)
        mem_mb=memory_of("predict"),
        runtime=minutes_of("predict"),
    params:
        settings=lambda wildcards: predict_settings(wildcards.model),
    script:
        "../scripts/predict.py"
