"""Scores of predictions.

INPUTS  results/predictions/, results/runs/, results/splits/, results/corpora/{corpus}/utterances.csv
OUTPUTS results/scores/{experiment}.csv, {experiment}_confusions.csv, results/scores.csv
"""


rule score:
    """Score the predictions that one experiment needs."""
    input:
        predictions=collect("results/predictions/{run.path}.csv", run=inputs.scored_runs),
        test_sets=collect(
            "results/splits/{corpus}/seed{seed}/target.csv", corpus=inputs.scored_corpora, seed=config["seeds"]
        ),
        utterances=collect("results/corpora/{corpus}/utterances.csv", corpus=inputs.scored_corpora),
        runs=collect("results/runs/{run.path}/run.json", run=inputs.scored_runs),
    output:
        scores="results/scores/{experiment}.csv",
        confusions="results/scores/{experiment}_confusions.csv",
    log:
        "results/logs/score/{experiment}.log",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.score,
    script:
        "../scripts/score_experiment.py"


rule scores:
    """Collect the scores of all experiments, without duplicate runs."""
    input:
        scores=collect("results/scores/{experiment}.csv", experiment=inputs.experiments.configured),
    output:
        scores="results/scores.csv",
    log:
        "results/logs/scores.log",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=uses("collect_scores.py"),
    script:
        "../scripts/collect_scores.py"
