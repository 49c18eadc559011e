"""What happens before the first job, and after a failure. No rules here."""

import os
import sys
from collections import Counter
from pathlib import Path

from snakemake.exceptions import WorkflowError

from ser.config import local_inputs
from ser.corpora import download
from ser.legacy import grid
from ser.snakemake_support import provenance
from ser.core.files import damage_among, read_json
from ser.core.paths import is_made_by_demo


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
    used = [download.corpus_source(entry) for entry in entries if not is_made_by_demo(Path(entry["path"] or ""))]
    if any(job.name == "noise" for job in jobs) and not is_made_by_demo(Path(config["noise"]["path"] or "", "_")):
        used.append(download.published()["noise"][config["noise"]["format"]])
    say("Under licences of their own:", sorted({download.licence_notice(source) for source in used if source}))


def say_what_is_gone():
    """Before any work: copies of the user's that are not where the configuration says, though nothing needs them now."""
    say("Not there any more, or a mistake in the configuration:", local_inputs.outlived(config))


def say_what_would_be_mixed(dag):
    """Before any work: results that stay, and were made with other packages or settings than new ones will be.

    To make them anew or not is the user's choice: an upgrade may change nothing, and a grid costs days.
    """
    installed = provenance.packages(provenance.LOCK)
    if Path("results/provenance.json").exists() and not damage_among(["results/provenance.json"]):
        changed = provenance.changes(read_json("results/provenance.json")["packages"], installed)
        remedy = "What is kept was made with the former. To make all anew: `snakemake --forceall` once."
        say("Other packages than when results/provenance.json was written:", changed, remedy)
    starting = {path for job in dag.needrun_jobs() if job.name == "finetune" for path in job.output}
    staying = [path for path in all_runs() if path not in starting and Path(path).exists() and not damage_among([path])]
    if starting:
        others = provenance.other_versions(map(read_json, staying), installed)
        remedy = (
            "results/provenance.json will count both. To train all with what is installed, run"
            " `snakemake --forcerun finetune` once."
        )
        say(f"Of {len(staying)} trainings that are kept, some were made with other packages:", others, remedy)
    remedy = "Jobs that ended after their Snakemake was killed are like that. To train anew, delete these files."
    say(
        "Trainings that are kept were made with other settings than the configuration's:",
        trained_otherwise(dag),
        remedy,
    )


def trained_otherwise(dag):
    """Records of trainings that Snakemake takes for finished, and that have other settings than it asks for."""
    kept = {job.output.run: job for job in dag.jobs if job.name == "finetune" and not dag.needrun(job)}
    whole = [path for path in kept if Path(path).exists() and not damage_among([path])]
    return [path for path in whole if read_json(path)["settings"] != kept[path].params.settings]


def record_what_has_no_record(workflow):
    """Before any work: finished jobs of whose settings Snakemake has no record, which is how no edit would rerun them.

    A job on a cluster that ends after its Snakemake was killed has none, nor anything once `.snakemake` is deleted.
    """
    recorded = workflow.persistence.metadata
    kept = [job for job in workflow.dag.jobs if job.output and not workflow.dag.needrun(job)]
    unknown = [job for job in kept if not any(map(recorded, job.output))]
    rules = Counter(job.name for job in unknown)
    remedy = (
        "They are taken to have been done with the present settings. If the configuration was edited since, run"
        " `snakemake --forcerun` once with the rules that it affects."
    )
    say(
        "Finished jobs of which Snakemake has no record:",
        [f"{count} {rule}" for rule, count in sorted(rules.items())],
        remedy,
    )
    record(workflow, unknown)


standing = {}  # outputs that jobs were going to replace when this run started -> their time


def note_what_stands(dag):
    """Before any work: what is there of outputs that are about to be made anew."""
    paths = (path for job in dag.needrun_jobs() for path in job.output)
    standing.update({path: os.stat(path).st_mtime_ns for path in paths if os.path.exists(path)})


def record_what_ended_unheard_of(workflow):
    """After a failure or Ctrl-C: jobs that ended well on a cluster after Snakemake asked for them last.

    Their own Snakemake has taken off the marks of their start, and leaves the record to the one that was stopped.
    """
    marked = grid.read_marks(Path()).started

    def is_new(path):
        return os.path.exists(path) and path not in marked and standing.get(path) != os.stat(path).st_mtime_ns

    jobs = [job for running in workflow.scheduler.running for job in (running if running.is_group() else [running])]
    record(workflow, [job for job in jobs if all(map(is_new, job.output))])


def record(workflow, jobs):
    """Have Snakemake note with which settings, code and inputs some finished jobs were done."""
    for job in jobs:
        workflow.async_run(workflow.persistence.finished(job))


def say(title, items, remedy=""):
    """A list for the user, if there is something in it, and what to do about it."""
    if items:
        print(title, *(f"  - {item}" for item in items), *filter(None, [remedy]), sep="\n", file=sys.stderr)


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
