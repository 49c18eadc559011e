"""What happens before the first job, and after a failure. No rules here."""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from ser import grid, provenance, sources
from ser.files import damage_among, read_json
from ser.speech import is_made_by_demo


def start_jobs_without_a_rate_limit(workflow):
    """Let the scheduler sleep between jobs on one machine.

    Snakemake 9.27 limits what it starts to 100 jobs a second by a timer that wakes the scheduler, and every time that it
    wakes it sets another: after some hundred jobs it is busy with nothing else (docs/benchmarks.md).
    """
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def show_licences(dag):
    """Before any work: the licences of what is about to be fetched or read for the first time."""
    jobs = list(dag.needrun_jobs())
    new = {job.wildcards.corpus for job in jobs if job.name == "corpus"}
    entries = [config["corpora"][corpus] for corpus in config["corpora"] if corpus in new]
    used = [sources.corpus_source(entry) for entry in entries if not is_made_by_demo(Path(entry["path"] or ""))]
    if any(job.name == "noise" for job in jobs) and not is_made_by_demo(Path(config["noise"]["path"] or "", "_")):
        used.append(sources.published()["noise"][config["noise"]["format"]])
    if notices := sorted({sources.licence_notice(source) for source in used if source}):
        print("Under licences of their own:", *notices, sep="\n  - ", file=sys.stderr)


def say_what_would_be_mixed(dag):
    """Before any work: trainings that stay, and were made with other packages than those that are about to start.

    To do them again or not is the user's choice: an upgrade may change nothing, and a grid costs days.
    """
    starting = {path for job in dag.needrun_jobs() if job.name == "finetune" for path in job.output}
    staying = [path for path in all_runs() if path not in starting and Path(path).exists() and not damage_among([path])]
    installed = provenance.packages(provenance.LOCK)
    if starting and (others := provenance.other_versions(map(read_json, staying), installed)):
        print(
            f"Of the {len(staying)} trainings that are kept, some were made with other packages than new ones will be:",
            *others,
            sep="\n  - ",
            file=sys.stderr,
        )
        print(
            "results/provenance.json will count both. To train all with what is installed, run"
            " `snakemake --forcerun finetune` once.",
            file=sys.stderr,
        )


def record_what_has_no_record(workflow):
    """Before any work: finished jobs of whose settings Snakemake has no record, which is how no edit would rerun them.

    A job on a cluster that ends after its Snakemake was killed has none, nor anything once `.snakemake` is deleted.
    """
    recorded = workflow.persistence.metadata
    kept = [job for job in workflow.dag.jobs if job.output and not workflow.dag.needrun(job)]
    if unknown := [job for job in kept if not any(map(recorded, job.output))]:
        print(
            f"Of {len(unknown)} finished jobs Snakemake has no record: {', '.join(sorted({job.name for job in unknown}))}. They are"
            " taken to have been done with the present settings. If the configuration was edited since, run"
            " `snakemake --forcerun` once with the rules that it affects.",
            file=sys.stderr,
        )
        record(workflow, unknown)


def record_what_ended_unheard_of(workflow):
    """After a failure or Ctrl-C: jobs that ended well on a cluster after Snakemake asked for them last.

    Their own Snakemake has taken off the marks of their start, and leaves the record to the one that was stopped.
    """
    marked = grid.read_marks(Path()).started
    jobs = [job for running in workflow.scheduler.running for job in (running if running.is_group() else [running])]
    record(workflow, [j for j in jobs if all(Path(path).exists() and path not in marked for path in j.output)])


def record(workflow, jobs):
    """Have Snakemake note with which settings, code and inputs some finished jobs were done."""
    for job in jobs:
        workflow.async_run(workflow.persistence.finished(job))


def refuse_what_cannot_be_done(dag):
    """Before any work: stop if a corpus cannot be downloaded, a result is damaged, or a folder may not be written to.

    A job that found a damaged input itself would already have lost the outputs that it was to write again.
    """
    jobs = list(dag.needrun_jobs())
    archives = {job.wildcards.archive for job in jobs if job.name == "download_corpus"}
    refused = {refusal_of(corpus_behind(archive)) for archive in archives}
    made_anew = {path for job in jobs for path in job.output}
    damaged = damage_among(path for job in jobs for path in job.input if path not in made_anew)
    if problems := [*sorted(refused - {None}), *damaged, *write_protected(made_anew)]:
        raise WorkflowError("nothing was started:\n" + "\n".join(f"  - {problem}" for problem in problems))


def write_protected(outputs):
    """What to do about folders that outputs belong into and that may not be written to."""
    nearest = {next(folder for folder in Path(path).parents if folder.exists()) for path in outputs}
    refused = [str(folder) for folder in sorted(nearest) if not os.access(folder, os.W_OK)]
    return [f"{name} may not be written to. Change its permissions, or mount its disk for writing." for name in refused]
