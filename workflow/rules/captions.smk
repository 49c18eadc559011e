"""Captions of the report, in prose with the run's own numbers.

INPUTS  results, templates of workflow/report/
OUTPUTS results/captions/{result}.rst
"""


rule caption:
    input:
        inputs.captioned,
    output:
        caption="results/captions/{result}.rst",
    log:
        "results/logs/caption/{result}.log",
    wildcard_constraints:
        result=names(targets.captions()),
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.caption,
    script:
        "../scripts/caption.py"
