"""Speaker-independent splits and few-shot samples, per repetition.

INPUTS  results/corpora/{corpus}/utterances.csv, overlaps.csv
OUTPUTS results/splits/{corpus}/seed{seed}/source.csv, target.csv
        results/fewshot/{target}/{shots}-shot/seed{seed}.csv
"""


rule source_split:
    input:
        utterances="results/corpora/{corpus}/utterances.csv",
        overlaps="results/corpora/{corpus}/overlaps.csv",
    output:
        split="results/splits/{corpus}/seed{seed}/source.csv",
    log:
        "results/logs/source_split/{corpus}/seed{seed}.log",
    benchmark:
        "results/benchmarks/source_split/{corpus}/seed{seed}.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=uses("source_split.py"),
    script:
        "../scripts/source_split.py"


rule target_split:
    input:
        utterances="results/corpora/{corpus}/utterances.csv",
        overlaps="results/corpora/{corpus}/overlaps.csv",
    output:
        split="results/splits/{corpus}/seed{seed}/target.csv",
    log:
        "results/logs/target_split/{corpus}/seed{seed}.log",
    benchmark:
        "results/benchmarks/target_split/{corpus}/seed{seed}.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=uses("target_split.py", **config["few_shot"]),
    script:
        "../scripts/target_split.py"


rule few_shot:
    input:
        utterances="results/corpora/{target}/utterances.csv",
        split="results/splits/{target}/seed{seed}/target.csv",
    output:
        subset="results/fewshot/{target}/{shots}-shot/seed{seed}.csv",
    log:
        "results/logs/few_shot/{target}/{shots}-shot/seed{seed}.log",
    benchmark:
        "results/benchmarks/few_shot/{target}/{shots}-shot/seed{seed}.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=uses("few_shot.py"),
    script:
        "../scripts/few_shot.py"
