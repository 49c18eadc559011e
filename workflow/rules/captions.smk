"""Captions of the report, rendered from templates and results.

INPUTS  results, templates in workflow/report/
OUTPUTS results/captions/{result}.rst
"""


rule captions:
    input:
        **targets.captions(),
    output:
        collect("results/captions/{result}.rst", result=targets.captions()),
    log:
        "results/logs/captions.log",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.captions(targets.captions()),
    script:
        "../scripts/captions.py"
