"""Cross-language speech emotion recognition: from corpora to tables, figures and claims.

Read top to bottom: each included file is a stage, in the order of the data.
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/hooks.smk"


report: caption_of("overview")


include: "workflow/rules/demo.smk"
include: "workflow/rules/corpora.smk"
include: "workflow/rules/noise.smk"
include: "workflow/rules/splits.smk"
include: "workflow/rules/encoders.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/prediction.smk"
include: "workflow/rules/results.smk"
include: "workflow/rules/provenance.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        configured_results(),


rule corpora:
    """Everything that needs no model: corpora fetched, verified, ingested and described."""
    input:
        audited_corpora(),


onstart:
    show_licences(workflow.dag)
    refuse_what_cannot_be_done(workflow.dag)
    say_what_is_gone()
    say_what_would_be_mixed(workflow.dag)
    record_what_has_no_record(workflow)
    note_what_stands(workflow.dag)
    start_jobs_without_a_rate_limit(workflow)


onerror:
    record_what_ended_unheard_of(workflow)
