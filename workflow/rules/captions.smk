"""Captions of the report, rendered from templates and results.

INPUTS  results, templates in workflow/report/
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
