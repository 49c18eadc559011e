"""Cross-language speech emotion recognition: from corpora to tables, figures and claims.

The included files follow the data flow: helpers, the demo's inputs, then the other stages of docs/explanation/design.md.
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/hooks.smk"


report: "workflow/report/overview.rst"


rule all:
    input:
        final_results,


rule corpora:
    """Download, verify, ingest and audit the experiments' corpora (pages and results/audit.csv). No model is needed."""
    input:
        audits,


include: "workflow/rules/demo.smk"
include: "workflow/rules/corpora.smk"
include: "workflow/rules/noise.smk"
include: "workflow/rules/splits.smk"
include: "workflow/rules/encoders.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/prediction.smk"
include: "workflow/rules/scores.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/provenance.smk"


onstart:
    show_licences(workflow.dag)
    check_preconditions(workflow.dag)
    warn_missing_local_inputs()
    show_jobs_without_record(workflow.dag)
    warn_of_one_job_at_a_time(workflow)
    start_jobs_without_a_rate_limit(workflow)
