"""Checks and notices before the first job. No rules here.

They use attributes of Snakemake's workflow, scheduler and job graph that its documentation does not name, as of
version 9.27.
"""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from ser.config.local_inputs import is_made_by_demo
from ser.core.machine_checks import blanks_in_paths, missing_caches


def start_jobs_without_a_rate_limit(workflow):
    """Remove Snakemake's own limit on job starts per second, whose timers keep the scheduler busy.

    Snakemake 9.27 limits itself to 100 job starts per second with a timer that wakes the scheduler, and sets another
    timer at every wake-up (`JobScheduler.schedule`). After some hundred jobs, the scheduler keeps a core busy.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if (limit.max_jobs, limit.timespan) == (100, 1):  # the default
        workflow.scheduler.job_rate_limiter = None


def warn_of_one_job_at_a_time(workflow):
    """Print that a profile meant for one machine limits jobs that run elsewhere."""
    if not workflow.local_exec and "gpu" in workflow.global_resources:
        limit = "the resource `gpu` is limited, as in profiles/default"
        remedy = "use --workflow-profile profiles/slurm, or a profile of your own without this limit"
        show("Few jobs with a model run at a time, as on one machine:", [f"{limit}: {remedy}"])


def show_licences(dag):
    """Print the licences of corpora and noise to be downloaded or read for the first time."""
    jobs = list(dag.needrun_jobs())
    new = {job.wildcards.corpus for job in jobs if job.name == "corpus"}
    entries = [config["corpora"][corpus] for corpus in config["corpora"] if corpus in new]
    used = [download.corpus_source(entry) for entry in entries if not is_made_by_demo(entry["path"])]
    mixes_noise = any(job.name in ("noise", "download_noise") for job in jobs)
    if mixes_noise and not is_made_by_demo(config["noise"]["path"]):
        used.append(download.published()["noise"][config["noise"]["format"]])
    show("Licences of the data:", sorted({download.licence_notice(source) for source in used if source}))


def warn_missing_local_inputs():
    """Print local inputs that do not exist, but whose results do and are used."""
    show("Missing local inputs; what was already made from them is used:", local_inputs.missing_with_results(config))


def show_jobs_without_record(dag):
    """Print rules with finished jobs whose settings Snakemake has not recorded."""
    unknown = {job.name for job in dag.jobs if dag.reason(job).no_metadata and not dag.needrun(job)}
    show(
        "Snakemake has no record of how results of these rules were made: an edit of settings or code does not rerun their"
        " jobs. To recompute them, add to your command: --forcerun RULE",
        sorted(unknown),
    )


def show(title, items):
    """Print a list with a title, unless it is empty."""
    if items:
        print(title, *(f"  - {item}" for item in items), sep="\n", file=sys.stderr)


def check_preconditions(dag):
    """Stop before the first job if a corpus cannot be downloaded, a folder is not writable, or every job would fail."""
    jobs = list(dag.needrun_jobs())
    archives = {job.wildcards.archive for job in jobs if job.name == "download_corpus"}
    refused = {settings.refusal(inputs.downloads[archive][0]) for archive in archives}
    protected = write_protected({path for job in jobs for path in job.output})
    if problems := [*blanks_in_paths(), *missing_caches(), *sorted(refused - {None}), *protected]:
        raise WorkflowError("no job was started:\n" + "\n".join(f"  - {problem}" for problem in problems))


def write_protected(outputs):
    """Return messages about output folders that are not writable."""
    nearest = {next(folder for folder in Path(path).parents if folder.exists()) for path in outputs}
    refused = [str(folder) for folder in sorted(nearest) if not os.access(folder, os.W_OK)]
    return [f"{name} is not writable. Change its permissions, or mount its disk for writing." for name in refused]
