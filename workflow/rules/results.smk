"""Results: scores, tables and figures.

INPUTS  results/predictions/, results/splits/, results/runs/
OUTPUTS results/scores.csv, results/tables/, results/figures/
"""


rule score:
    """Score one experiment's predictions, so that it can be run and drawn without the others."""
    input:
        predictions=predictions_of,
        test_sets=test_sets_of,
        utterances=utterances_of,
    output:
        scores="results/scores/{experiment}.csv",
        confusions="results/scores/{experiment}_confusions.csv",
    log:
        "results/logs/score/{experiment}.log",
    benchmark:
        "results/benchmarks/score/{experiment}.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=uses("score.py"),
    script:
        "../scripts/score.py"


rule scores:
    """All experiments' scores, each run once."""
    input:
        scores=[f"results/scores/{name}.csv" for name in experiments.EXPERIMENTS if configured(name)],
    output:
        scores="results/scores.csv",
    log:
        "results/logs/scores.log",
    benchmark:
        "results/benchmarks/scores.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=uses("scores.py", scores=[scores_of(name) for name in experiments.EXPERIMENTS if configured(name)]),
    script:
        "../scripts/scores.py"


rule table1:
    """The models: size, pre-training, what of them is trained."""
    input:
        runs=one_run_per_model(),
        revisions=revisions_in_use(),
    output:
        csv="results/tables/table1.csv",
        png=report(
            "results/tables/table1.png",
            caption=caption_of("table1"),
            category="Tables",
            labels={"table": "I", "shows": "models"},
        ),
    log:
        "results/logs/table1.log",
    benchmark:
        "results/benchmarks/table1.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=figure_settings(
            "table1",
            "resources/checkpoints.yaml",
            label=config["label"],
            titles=titles(models_in_use()),
            models={name: model_settings(name) for name in models_in_use()},
            order=models_in_use(),
            languages=languages_in_use(),
        ),
    script:
        "../scripts/figure.py"


rule table2:
    """UAR of every model on every pair of languages, beside the paper's."""
    input:
        scores="results/scores/table2.csv",
        archives=archives_used_by("table2"),
    output:
        csv="results/tables/table2.csv",
        detail="results/tables/table2_detail.csv",
        markdown="results/tables/table2.md",
        latex="results/tables/table2.tex",
        png=report(
            "results/tables/table2.png",
            caption=caption_of("table2"),
            category="Tables",
            labels={"table": "II", "shows": "UAR across languages"},
        ),
    log:
        "results/logs/table2.log",
    benchmark:
        "results/benchmarks/table2.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=figure_settings(
            "table2", "resources/paper-table2.csv", scores=scores_of("table2"), **drawn_from("table2")
        ),
    script:
        "../scripts/figure.py"


use rule table2 as comparison_table with:
    input:
        scores="results/scores/{experiment}.csv",
        archives=lambda wildcards: archives_used_by(wildcards.experiment),
    output:
        csv="results/tables/{experiment}.csv",
        detail="results/tables/{experiment}_detail.csv",
        markdown="results/tables/{experiment}.md",
        latex="results/tables/{experiment}.tex",
        png=report(
            "results/tables/{experiment}.png",
            caption="../report/comparison.rst",
            category="Tables",
            labels={"table": "{experiment}", "shows": "UAR across languages"},
        ),
    log:
        "results/logs/comparison_table/{experiment}.log",
    benchmark:
        "results/benchmarks/comparison_table/{experiment}.tsv"
    wildcard_constraints:
        experiment=names(COMPARISONS),
    params:
        settings=lambda wildcards: figure_settings(
            "table2",
            "resources/paper-table2.csv",
            scores=scores_of(wildcards.experiment),
            **drawn_from(wildcards.experiment),
        ),


rule comparison_figure:
    input:
        scores="results/scores/{experiment}.csv",
        archives=lambda wildcards: archives_used_by(wildcards.experiment),
    output:
        csv="results/figures/{experiment}.csv",
        pdf="results/figures/{experiment}.pdf",
        png=report(
            "results/figures/{experiment}.png",
            caption="../report/comparison.rst",
            category="Figures",
            labels={"figure": "{experiment}", "shows": "models compared"},
        ),
    log:
        "results/logs/comparison_figure/{experiment}.log",
    benchmark:
        "results/benchmarks/comparison_figure/{experiment}.tsv"
    wildcard_constraints:
        experiment=names(COMPARISONS),
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=lambda wildcards: figure_settings(
            "comparison", scores=scores_of(wildcards.experiment), **drawn_from(wildcards.experiment)
        ),
    script:
        "../scripts/figure.py"


rule figure2:
    """Few-shot adaptation: UAR by samples of the target."""
    input:
        scores="results/scores/figure2.csv",
        archives=archives_used_by("figure2"),
    output:
        csv="results/figures/figure2.csv",
        pdf="results/figures/figure2.pdf",
        png=report(
            "results/figures/figure2.png",
            caption=caption_of("figure2"),
            category="Figures",
            labels={"figure": "2", "shows": "few-shot adaptation"},
        ),
    log:
        "results/logs/figure2.log",
    benchmark:
        "results/benchmarks/figure2.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=figure_settings("figure2", scores=scores_of("figure2"), **drawn_from("figure2")),
    script:
        "../scripts/figure.py"


rule figure3:
    """Robustness to noise: UAR on clean and on noisy speech."""
    input:
        scores="results/scores/figure3.csv",
        archives=archives_used_by("figure3"),
    output:
        csv="results/figures/figure3.csv",
        pdf="results/figures/figure3.pdf",
        png=report(
            "results/figures/figure3.png",
            caption=caption_of("figure3"),
            category="Figures",
            labels={"figure": "3", "shows": "robustness to noise"},
        ),
    log:
        "results/logs/figure3.log",
    benchmark:
        "results/benchmarks/figure3.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=figure_settings("figure3", scores=scores_of("figure3"), **drawn_from("figure3")),
    script:
        "../scripts/figure.py"


rule claims:
    """A verdict on each of the paper's claims."""
    input:
        confusions=confusions_for_claims(),
        archives=archives_used_by(*experiments.CLAIMED),
    output:
        csv="results/claims.csv",
        cells="results/claims_cells.csv",
        markdown="results/claims.md",
        png=report(
            "results/claims.png",
            caption=caption_of("claims"),
            category="Claims",
            labels={"shows": "the paper's claims, tested"},
        ),
    log:
        "results/logs/claims.log",
    benchmark:
        "results/benchmarks/claims.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=figure_settings("claims", "resources/checkpoints.yaml", **what_claims_use()),
    script:
        "../scripts/figure.py"


rule confusion:
    """What every model hears for what."""
    input:
        confusions="results/scores/table2_confusions.csv",
        archives=archives_used_by("table2"),
    output:
        csv="results/figures/confusion.csv",
        pdf="results/figures/confusion.pdf",
        png=report(
            "results/figures/confusion.png",
            caption=caption_of("confusion"),
            category="Figures",
            labels={"figure": "confusion", "shows": "what is heard for what"},
        ),
    log:
        "results/logs/confusion.log",
    benchmark:
        "results/benchmarks/confusion.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=figure_settings("confusion", **drawn_from("table2")),
    script:
        "../scripts/figure.py"


rule recall:
    """The recall of every emotion, by target and model."""
    input:
        confusions="results/scores/table2_confusions.csv",
        archives=archives_used_by("table2"),
    output:
        csv="results/figures/recall.csv",
        pdf="results/figures/recall.pdf",
        png=report(
            "results/figures/recall.png",
            caption=caption_of("recall"),
            category="Figures",
            labels={"figure": "recall", "shows": "recall by emotion"},
        ),
    log:
        "results/logs/recall.log",
    benchmark:
        "results/benchmarks/recall.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=figure_settings("recall", **drawn_from("table2")),
    script:
        "../scripts/figure.py"


rule training_curves:
    """How the trainings behind Table II went."""
    input:
        histories=histories_of_table2(),
        archives=archives_of_table2s_sources(),
    output:
        csv="results/figures/training.csv",
        pdf="results/figures/training.pdf",
        png=report(
            "results/figures/training.png",
            caption=caption_of("training"),
            category="Figures",
            labels={"figure": "training", "shows": "training curves"},
        ),
    log:
        "results/logs/training_curves.log",
    benchmark:
        "results/benchmarks/training_curves.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=figure_settings("training_curves", **trained_for_table2()),
    script:
        "../scripts/figure.py"
