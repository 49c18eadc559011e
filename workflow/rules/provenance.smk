"""Provenance: what was run, on what, and what it cost.

INPUTS  everything that was computed
OUTPUTS results/provenance.json
"""


rule provenance:
    """Record what was run, on what, and what it cost.

    The only output that holds a commit, a time and a machine: everything else is the same wherever it is computed.
    It waits for scores, not for tables and figures: an edit of their looks leaves it alone.
    """
    input:
        scores="results/scores.csv",
        runs=inputs.run_records(),
        archives=inputs.archives(),
        revisions=inputs.encoder_records(),
    output:
        provenance=report(
            "results/provenance.json",
            caption="../report/provenance.rst",
            category="Provenance",
            labels={"shows": "what was run, on what, at what cost"},
        ),
    log:
        "results/logs/provenance.log",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.provenance(),
    script:
        "../scripts/provenance.py"
