"""Provenance: what was run, on what, and what it cost.

INPUTS  everything that was computed
OUTPUTS results/provenance.json
"""


rule provenance:
    """What was run, on what, and what it cost.

    The only output that holds a commit, a time and a machine: everything else is the same wherever it is computed.
    It waits for scores, not for tables and figures: an edit of their looks leaves it alone.
    """
    input:
        scores="results/scores.csv",
        runs=all_runs(),
        archives=archives_used_by(*experiments.EXPERIMENTS),
        revisions=revisions_in_use(),
    output:
        provenance=report(
            "results/provenance.json",
            caption="../report/provenance.rst",
            category="Provenance",
            labels={"shows": "what was run, on what, at what cost"},
        ),
    log:
        "results/logs/provenance.log",
    benchmark:
        "results/benchmarks/provenance.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=lambda wildcards: uses(
            "provenance.py",
            "envs/requirements.txt",
            config=config_as_run(),
            packages=provenance.packages(provenance.LOCK),
        ),
    script:
        "../scripts/provenance.py"
