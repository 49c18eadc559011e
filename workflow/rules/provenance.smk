"""Provenance: code, packages, data, hardware and compute time.

INPUTS  results/scores.csv, and the records of runs, archives and encoders
OUTPUTS results/provenance.json
"""


rule provenance:
    """Record code, packages, data, hardware and compute time.

    This is the only final result with a commit, a time or a machine; `run.json` records those of each training run.
    Tables and figures are not inputs, so an edit of their appearance does not rerun it.
    """
    input:
        scores="results/scores.csv",
        runs=collect("results/runs/{run.path}/run.json", run=inputs.experiments.runs()),
        archives=collect("results/corpora/{corpus}/archive.json", corpus=inputs.experiments.corpora()),
        revisions=collect("resources/encoders/{encoder}/revision.json", encoder=inputs.encoders()),
    output:
        provenance=report(
            "results/provenance.json",
            caption="../report/provenance.rst",
            category="Provenance",
            labels={"shows": "code, data, hardware and compute time"},
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
