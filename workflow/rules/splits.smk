"""Speaker-independent splits and few-shot examples, per seed.

INPUTS  results/corpora/{corpus}/utterances.csv, overlaps.csv
OUTPUTS results/splits/{corpus}/seed{seed}/source.csv, target.csv, within.csv, {shots}-shot.csv
        results/fewshot/{target}/{shots}-shot/seed{seed}.csv
"""


rule split:
    """Hold out whole groups (speakers or sessions): a source's development set, a target's test set, or both."""
    input:
        utterances="results/corpora/{corpus}/utterances.csv",
        overlaps="results/corpora/{corpus}/overlaps.csv",
        examples=branch(inputs.is_split_of_examples, then="results/fewshot/{corpus}/{role}/seed{seed}.csv"),
    output:
        split="results/splits/{corpus}/seed{seed}/{role}.csv",
    log:
        "results/logs/split/{corpus}/seed{seed}/{role}.log",
    wildcard_constraints:
        role=r"source|target|within|[1-9]\d*-shot",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.split,
    script:
        "../scripts/split.py"


rule few_shot:
    """Draw balanced, nested few-shot examples from a target's pool."""
    input:
        utterances="results/corpora/{target}/utterances.csv",
        split="results/splits/{target}/seed{seed}/target.csv",
    output:
        subset="results/fewshot/{target}/{shots}-shot/seed{seed}.csv",
    log:
        "results/logs/few_shot/{target}/{shots}-shot/seed{seed}.log",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=uses("few_shot.py"),
    script:
        "../scripts/few_shot.py"
