"""Tables, figures and claims.

Rules derived by `use rule` repeat `localrule`, which Snakemake does not hand down.

INPUTS  results/scores/, results/runs/, results/corpora/{corpus}/archive.json, resources/encoders/ (Table I)
OUTPUTS results/tables/, results/figures/, results/claims.*
"""


rule table1:
    """Table I: models, sizes, pre-training and trained parameters."""
    input:
        runs=collect("results/runs/{run.path}/run.json", run=inputs.experiments.one_run_per_model),
        revisions=collect("resources/encoders/{encoder}/revision.json", encoder=inputs.encoders()),
    output:
        csv="results/tables/table1.csv",
        png=report(
            "results/tables/table1.png",
            caption="../report/table1.rst",
            category="Tables",
            labels={"table": "I", "shows": "models"},
        ),
    log:
        "results/logs/table1.log",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.table1(),
    script:
        "../scripts/figure.py"


rule table2:
    """Table II: UAR of every model on every source-target pair, beside the paper's."""
    input:
        scores="results/scores/table2.csv",
        confusions="results/scores/table2_confusions.csv",
        archives=collect("results/corpora/{corpus}/archive.json", corpus=inputs.experiments.corpora(["table2"])),
    output:
        csv="results/tables/table2.csv",
        detail="results/tables/table2_detail.csv",
        markdown="results/tables/table2.md",
        latex="results/tables/table2.tex",
        png=report(
            "results/tables/table2.png",
            caption="../report/table2.rst",
            category="Tables",
            labels={"table": "II", "shows": "UAR across languages"},
        ),
    log:
        "results/logs/table2.log",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.table("table2"),
    script:
        "../scripts/figure.py"


use rule table2 as table2_converged with:
    """Table II with models trained to convergence."""
    input:
        scores="results/scores/table2_converged.csv",
        confusions="results/scores/table2_converged_confusions.csv",
        archives=collect(
            "results/corpora/{corpus}/archive.json", corpus=inputs.experiments.corpora(["table2_converged"])
        ),
    output:
        csv="results/tables/table2_converged.csv",
        detail="results/tables/table2_converged_detail.csv",
        markdown="results/tables/table2_converged.md",
        latex="results/tables/table2_converged.tex",
        png=report(
            "results/tables/table2_converged.png",
            caption="../report/table2_converged.rst",
            category="Tables",
            labels={"table": "II, converged", "shows": "UAR across languages"},
        ),
    log:
        "results/logs/table2_converged.log",
    localrule: True
    params:
        settings=settings.table("table2_converged"),


use rule table2 as measures with:
    """All scores of Table II, and how training went."""
    input:
        scores="results/scores/{experiment}.csv",
        archives=collect("results/corpora/{corpus}/archive.json", corpus=inputs.corpora_of_experiment),
    output:
        csv="results/tables/{experiment}_measures.csv",
        markdown="results/tables/{experiment}_measures.md",
        png=report(
            "results/tables/{experiment}_measures.png",
            caption="../report/measures.rst",
            category="Tables",
            labels={"table": "{experiment}", "shows": "all measures"},
        ),
    log:
        "results/logs/measures/{experiment}.log",
    wildcard_constraints:
        experiment=names(experiments.TABLES),
    localrule: True
    params:
        settings=lambda wildcards: settings.figure("measures", wildcards.experiment),


use rule table2 as differences with:
    """Mean UAR of each model over the pairs, and differences between models."""
    input:
        confusions="results/scores/{experiment}_confusions.csv",
        archives=collect("results/corpora/{corpus}/archive.json", corpus=inputs.corpora_of_experiment),
    output:
        csv="results/tables/{experiment}_differences.csv",
        markdown="results/tables/{experiment}_differences.md",
        png=report(
            "results/tables/{experiment}_differences.png",
            caption="../report/differences.rst",
            category="Tables",
            labels={"table": "{experiment}", "shows": "differences between models"},
        ),
    log:
        "results/logs/differences/{experiment}.log",
    wildcard_constraints:
        experiment=names([*experiments.TABLES, *experiments.COMPARISONS]),
    localrule: True
    params:
        settings=lambda wildcards: settings.figure("differences", wildcards.experiment),


use rule table2 as comparison_table with:
    """Table II for comparisons of models (random initialisation, fine-tuning methods, sizes, layers)."""
    input:
        scores="results/scores/{experiment}.csv",
        confusions="results/scores/{experiment}_confusions.csv",
        archives=collect("results/corpora/{corpus}/archive.json", corpus=inputs.corpora_of_experiment),
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
    wildcard_constraints:
        experiment=names(experiments.COMPARISONS),
    localrule: True
    params:
        settings=lambda wildcards: settings.table(wildcards.experiment),


rule figure2:
    """Figure 2: UAR by number of few-shot examples."""
    input:
        scores=collect("results/scores/{experiment}.csv", experiment=inputs.experiments.shown_in_few_shot("figure2")),
        confusions=collect(
            "results/scores/{experiment}_confusions.csv", experiment=inputs.experiments.shown_in_few_shot("figure2")
        ),
        archives=collect("results/corpora/{corpus}/archive.json", corpus=inputs.experiments.corpora(["figure2"])),
    output:
        csv="results/figures/figure2.csv",
        pdf="results/figures/figure2.pdf",
        png=report(
            "results/figures/figure2.png",
            caption="../report/figure2.rst",
            category="Figures",
            labels={"figure": "2", "shows": "few-shot adaptation"},
        ),
    log:
        "results/logs/figure2.log",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.figure("figure2"),
    script:
        "../scripts/figure.py"


use rule figure2 as figure2_converged with:
    """Figure 2 with models trained to convergence."""
    input:
        scores=collect(
            "results/scores/{experiment}.csv", experiment=inputs.experiments.shown_in_few_shot("figure2_converged")
        ),
        confusions=collect(
            "results/scores/{experiment}_confusions.csv",
            experiment=inputs.experiments.shown_in_few_shot("figure2_converged"),
        ),
        archives=collect(
            "results/corpora/{corpus}/archive.json", corpus=inputs.experiments.corpora(["figure2_converged"])
        ),
    output:
        csv="results/figures/figure2_converged.csv",
        pdf="results/figures/figure2_converged.pdf",
        png=report(
            "results/figures/figure2_converged.png",
            caption="../report/figure2.rst",
            category="Figures",
            labels={"figure": "2, converged", "shows": "few-shot adaptation"},
        ),
    log:
        "results/logs/figure2_converged.log",
    localrule: True
    params:
        settings=settings.figure("figure2", "figure2_converged"),


use rule figure2 as figure3 with:
    """Figure 3: UAR on clean and noisy speech."""
    input:
        scores="results/scores/figure3.csv",
        confusions="results/scores/figure3_confusions.csv",
        archives=collect("results/corpora/{corpus}/archive.json", corpus=inputs.experiments.corpora(["figure3"])),
    output:
        csv="results/figures/figure3.csv",
        pdf="results/figures/figure3.pdf",
        png=report(
            "results/figures/figure3.png",
            caption="../report/figure3.rst",
            category="Figures",
            labels={"figure": "3", "shows": "robustness to noise"},
        ),
    log:
        "results/logs/figure3.log",
    localrule: True
    params:
        settings=settings.figure("figure3"),


use rule figure3 as figure3_converged with:
    """Figure 3 with models trained to convergence."""
    input:
        scores="results/scores/figure3_converged.csv",
        confusions="results/scores/figure3_converged_confusions.csv",
        archives=collect(
            "results/corpora/{corpus}/archive.json", corpus=inputs.experiments.corpora(["figure3_converged"])
        ),
    output:
        csv="results/figures/figure3_converged.csv",
        pdf="results/figures/figure3_converged.pdf",
        png=report(
            "results/figures/figure3_converged.png",
            caption="../report/figure3.rst",
            category="Figures",
            labels={"figure": "3, converged", "shows": "robustness to noise"},
        ),
    log:
        "results/logs/figure3_converged.log",
    localrule: True
    params:
        settings=settings.figure("figure3", "figure3_converged"),


rule gap:
    """Gap between training across languages and within one, and what few-shot examples close of it."""
    input:
        confusions=collect("results/scores/{experiment}_confusions.csv", experiment=inputs.gap),
        archives=collect(
            "results/corpora/{corpus}/archive.json", corpus=inputs.experiments.corpora(inputs.experiments.gap)
        ),
    output:
        csv="results/tables/gap.csv",
        markdown="results/tables/gap.md",
        png=report(
            "results/tables/gap.png",
            caption="../report/gap.rst",
            category="Tables",
            labels={"table": "gap", "shows": "across and within languages"},
        ),
    log:
        "results/logs/gap.log",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.gap(),
    script:
        "../scripts/figure.py"


use rule figure2 as adaptation with:
    """Adaptation to the target's unlabelled audio, and calibration."""
    input:
        scores="results/scores/adaptation.csv",
        confusions="results/scores/adaptation_confusions.csv",
        archives=collect("results/corpora/{corpus}/archive.json", corpus=inputs.experiments.corpora(["adaptation"])),
    output:
        csv="results/figures/adaptation.csv",
        pdf="results/figures/adaptation.pdf",
        png=report(
            "results/figures/adaptation.png",
            caption="../report/adaptation.rst",
            category="Figures",
            labels={"figure": "adaptation", "shows": "adaptation without labels"},
        ),
    log:
        "results/logs/adaptation.log",
    localrule: True
    params:
        settings=settings.figure("adaptation"),


use rule figure2 as comparison_figure with:
    """Comparison of models over the pairs of an experiment."""
    input:
        scores="results/scores/{experiment}.csv",
        confusions="results/scores/{experiment}_confusions.csv",
        archives=collect("results/corpora/{corpus}/archive.json", corpus=inputs.corpora_of_experiment),
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
    wildcard_constraints:
        experiment=names(experiments.COMPARISONS),
    localrule: True
    params:
        settings=lambda wildcards: settings.figure("comparison", wildcards.experiment),


use rule figure2 as confusion with:
    """Confusion matrices by model, of models trained to convergence if `table2_converged` is configured."""
    input:
        confusions=f"results/scores/{inputs.experiments.main_table}_confusions.csv",
        archives=collect(
            "results/corpora/{corpus}/archive.json",
            corpus=inputs.experiments.corpora([inputs.experiments.main_table]),
        ),
    output:
        csv="results/figures/confusion.csv",
        pdf="results/figures/confusion.pdf",
        png=report(
            "results/figures/confusion.png",
            caption="../report/confusion.rst",
            category="Figures",
            labels={"figure": "confusion", "shows": "confusion matrices"},
        ),
    log:
        "results/logs/confusion.log",
    localrule: True
    params:
        settings=settings.figure("confusion", inputs.experiments.main_table),


use rule confusion as recall with:
    """Recall by emotion, target and model."""
    output:
        csv="results/figures/recall.csv",
        pdf="results/figures/recall.pdf",
        png=report(
            "results/figures/recall.png",
            caption="../report/recall.rst",
            category="Figures",
            labels={"figure": "recall", "shows": "recall by emotion"},
        ),
    log:
        "results/logs/recall.log",
    localrule: True
    params:
        settings=settings.figure("recall", inputs.experiments.main_table),


use rule figure2 as training_curves with:
    """Training curves (figure `training`) of the Table II that `confusion` shows."""
    input:
        histories=collect("results/runs/{run.path}/history.csv", run=inputs.runs_of_main_table),
        archives=collect(
            "results/corpora/{corpus}/archive.json",
            corpus=inputs.experiments.source_corpora(inputs.experiments.main_table),
        ),
    output:
        csv="results/figures/training.csv",
        pdf="results/figures/training.pdf",
        png=report(
            "results/figures/training.png",
            caption="../report/training.rst",
            category="Figures",
            labels={"figure": "training", "shows": "training curves"},
        ),
    log:
        "results/logs/training_curves.log",
    localrule: True
    params:
        settings=settings.training_curves(),


rule claims:
    """Verdicts on the paper's claims, and a description of ours (C8)."""
    input:
        scores=collect("results/scores/{experiment}.csv", experiment=inputs.experiments.claimed),
        confusions=collect("results/scores/{experiment}_confusions.csv", experiment=inputs.experiments.claimed),
        archives=collect(
            "results/corpora/{corpus}/archive.json", corpus=inputs.experiments.corpora(inputs.experiments.claimed)
        ),
    output:
        csv="results/claims.csv",
        cells="results/claims_cells.csv",
        markdown="results/claims.md",
        png=report(
            "results/claims.png",
            caption="../report/claims.rst",
            category="Claims",
            labels={"shows": "claims, tested"},
        ),
    log:
        "results/logs/claims.log",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.claims(),
    script:
        "../scripts/figure.py"
