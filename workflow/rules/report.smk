"""Captions of the report, in prose with the run's own numbers.

INPUTS  results, templates of workflow/report/
OUTPUTS results/captions/{result}.rst
"""


rule caption:
    input:
        lambda wildcards: captioned()[wildcards.result]["files"],
    output:
        caption="results/captions/{result}.rst",
    log:
        "results/logs/caption/{result}.log",
    benchmark:
        "results/benchmarks/caption/{result}.tsv"
    wildcard_constraints:
        result=names(captioned()),
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=lambda wildcards: uses(
            "caption.py",
            f"workflow/report/{wildcards.result}.rst",
            **captioned()[wildcards.result]["settings"],
        ),
    script:
        "../scripts/caption.py"
