"""What is left of an experiment costs: its jobs, their time on so many devices, memory, disk and downloads."""

import heapq
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ser.core.files import read_json
from ser.legacy import reasons
from ser.legacy.costs import Cost, Rates
from ser.legacy.dry_run import Job
from ser.legacy.estimates import Estimates
from ser.snakemake_support.provenance import CLAIM_A_GPU, by_rule

RUN = r"(?P<model>[^/]+)/(?P<source>.+)-to-(?P<target>.+)/(?P<shots>\d+)-shot/seed(?P<seed>\d+)"
IN_CONDITION = r"(?P<corpus>[^/]+)/(?P<condition>[^/]+)"
BENCHMARKS = {  # how rules name their benchmark files; of others the name is not needed
    "finetune": RUN,
    "predict": rf"{RUN}/(?P<condition>[^/]+)",
    "log_mel": IN_CONDITION,
    "noise": IN_CONDITION,
    **dict.fromkeys(("corpus", "overlaps", "corpus_audit"), r"(?P<corpus>[^/]+)"),
}
# What they took says nothing of what is still to fetch; of pooling nobody knows on what device it was.
TELL_NOTHING = ("download_corpus", "download_noise", "encoder", "pooled")
CORES_A_GPU = 8  # where nothing else is said
Kind = tuple[str, str]  # a rule, and the model behind it if it has one


# --- What finished jobs say -------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """How finished jobs of a kind compare with their estimates: how many, and the medians of true to estimated."""

    jobs: int
    seconds: float
    memory: float


def kind_of(rule: str, wildcards: Mapping) -> Kind:
    """What jobs are compared with each other."""
    return rule, wildcards.get("model", "")


def finished(results: Path, estimates: Estimates) -> dict[Kind, Measured]:
    """What the finished jobs of an experiment, on the device that is planned for, took beside their estimates."""
    ratios: dict[Kind, list[tuple[float, float]]] = defaultdict(list)
    for rule, jobs in by_rule(results / "benchmarks").items():
        for name, (seconds, _) in jobs.items():
            if found := _compared(rule, name, seconds, results, estimates):
                kind, *ratio = found
                ratios[kind].append(ratio)
    return {
        kind: Measured(len(pairs), *(statistics.median(pair[i] for pair in pairs) for i in (0, 1)))
        for kind, pairs in ratios.items()
    }


def _compared(rule: str, name: str, seconds: float, results: Path, estimates: Estimates):
    """Kind of a finished job, and its seconds and memory to estimated ones; None if nothing can be learnt from it."""
    found = re.fullmatch(BENCHMARKS.get(rule, ".*"), name)
    if rule in TELL_NOTHING or not found:
        return None
    wildcards, memory, training = found.groupdict(), None, None
    try:
        if "model" in wildcards:
            target = wildcards["target"] if int(wildcards["shots"]) else "any"
            place = f"{wildcards['source']}-to-{target}/{wildcards['shots']}-shot/seed{wildcards['seed']}"
            run = read_json(results / "runs" / wildcards["model"] / place / "run.json")
            if run["device"].startswith("cpu") != (estimates.table.device == "cpu"):
                return None
            if rule == "finetune":
                seconds = max(seconds, run["seconds"])  # of one that was taken up again, what came before too
                memory, training = run["peak_memory_bytes"], run["settings"]["training"]
        expected = estimates.of(rule, wildcards, training)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        StopIteration,
    ):  # of a model or corpus that is no more, or other code
        return None
    if not expected.seconds or not seconds:
        return None
    return kind_of(rule, wildcards), seconds / expected.seconds, memory / expected.memory if memory else 1.0


def corrected(cost: Cost, measured: Measured | None) -> Cost:
    """A cost as finished jobs of its kind suggest."""
    if measured is None:
        return cost
    return replace(cost, seconds=cost.seconds * measured.seconds, memory=cost.memory * measured.memory)


# --- Time -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """A job of a schedule: how long it takes, whether it takes a GPU, and the tasks that it waits for."""

    seconds: float
    gpu: bool
    after: frozenset[int]


def tasks_of(jobs: Sequence[Job], seconds: Sequence[float], gpu: bool) -> list[Task]:
    """Jobs as tasks that wait for each other's outputs.

    Args:
        gpu: whether jobs with a model take one.
    """
    maker = {output: number for number, job in enumerate(jobs) for output in job.outputs}
    return [
        Task(length, gpu and job.rule in CLAIM_A_GPU, frozenset(maker[i] for i in job.inputs if i in maker))
        for job, length in zip(jobs, seconds, strict=True)
    ]


def wall_time(tasks: Sequence[Task], cores: int, gpus: int) -> float:
    """Seconds that all tasks take, each on a core and some on a GPU, started in their order as soon as they can be."""
    waiting_for = [set(task.after) for task in tasks]
    followers: dict[int, list[int]] = defaultdict(list)
    for number, task in enumerate(tasks):
        for before in task.after:
            followers[before].append(number)
    ready: dict[bool, list[int]] = {False: [], True: []}
    for number, task in enumerate(tasks):
        if not task.after:
            heapq.heappush(ready[task.gpu], number)
    now, running = 0.0, []
    while running or any(ready.values()):
        while cores and (queues := [q for gpu, q in ready.items() if q and (gpus or not gpu)]):
            number = heapq.heappop(min(queues))
            cores -= 1
            gpus -= tasks[number].gpu
            heapq.heappush(running, (now + tasks[number].seconds, number))
        now, number = heapq.heappop(running)
        cores += 1
        gpus += tasks[number].gpu
        for follower in followers[number]:
            waiting_for[follower].discard(number)
            if not waiting_for[follower]:
                heapq.heappush(ready[tasks[follower].gpu], follower)
    return now


# --- The plan ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """Planned jobs and what each costs.

    `wall`: seconds by number of cores, or of GPUs. `unmeasured`: models whose costs are arithmetic. `notes`: what it
    rests on.
    """

    jobs: list[Job]
    costs: list[Cost]
    on_gpu: bool
    wall: dict[int, float]
    unmeasured: list[str]
    notes: list[str]


def plan(
    jobs: Sequence[Job],
    estimates: Estimates,
    measured: Mapping[Kind, Measured],
    counts: Iterable[int],
    cores: int | None = None,
    fetched: Collection[str] = (),
) -> Plan:
    """The plan for what is left.

    Args:
        measured: what finished jobs say.
        counts: of cores, or of GPUs, to give the wall time for.
        cores: beside any number of GPUs; else some for each of them.
        fetched: encoders whose checkpoints need no download.
    """
    table, costs = estimates.table, []
    on_gpu = table.device == "gpu"
    for job in jobs:
        cost = corrected(estimates.of(job.rule, job.wildcards), measured.get(kind_of(job.rule, job.wildcards)))
        if job.rule == "encoder" and job.wildcards["encoder"] in fetched:
            cost = replace(cost, seconds=cost.seconds - cost.downloaded / table.downloads, downloaded=0)
        costs.append(cost)
    tasks = tasks_of(jobs, [cost.seconds + table.snakemake["job"] for cost in costs], on_gpu)
    places = {count: (cores or CORES_A_GPU * count, count) if on_gpu else (count, 0) for count in counts}
    wall = {count: table.snakemake["start"] + wall_time(tasks, *place) for count, place in places.items()}
    models = sorted({job.wildcards["model"] for job in jobs if "model" in job.wildcards})
    rates = {name: estimates.model(name).rates for name in models}
    guessed = {kind_of(job.rule, job.wildcards) for job in jobs if "model" in job.wildcards} - measured.keys()
    unmeasured = [name for name, own in rates.items() if not own.measured and any(name in kind for kind in guessed)]
    notes = [*_of_finished(jobs, measured), *_of_table(rates)]
    notes += [f"taken for granted: {text}" for text in estimates.assumptions.values()]
    if any(cost.downloaded for cost in costs):
        notes.append(f"taken for granted: downloads at {table.downloads / 1e6:.0f} MB/s, some of approximate size")
    if on_gpu:
        beside = f"{cores} cores" if cores else f"{CORES_A_GPU} cores a GPU"
        notes.append(
            f"taken for granted: {beside}, {_size(table.process)} of main memory a job beside weights and frames"
        )
    return Plan(list(jobs), costs, on_gpu, wall, unmeasured, notes)


def _of_finished(jobs: Sequence[Job], measured: Mapping[Kind, Measured]) -> list[str]:
    kinds = {kind_of(job.rule, job.wildcards) for job in jobs}
    used = sorted((kind, found) for kind, found in measured.items() if kind in kinds)
    parts = [f"{' '.join(filter(None, kind))} {found.seconds:.2f} ({found.jobs})" for kind, found in used]
    words = "finished jobs here took, as the median (of so many), so many times the table's estimate"
    return [f"{words}: {', '.join(parts)}"] if parts else []


def _of_table(rates: Mapping[str, Rates]) -> list[str]:
    places = defaultdict(list)
    for name, own in rates.items():
        if own.measured:
            places[own.measured].append(name)
    return [f"{', '.join(names)}: as measured, {place}" for place, names in places.items()]


# --- In words ---------------------------------------------------------------------------------


def report(plan: Plan) -> str:
    """The plan as text."""
    if not plan.jobs:
        return "Nothing to do: every result is there, and up to date."
    largest = max(range(len(plan.jobs)), key=lambda i: plan.costs[i].memory)
    downloaded, written = (sum(getattr(cost, kind) for cost in plan.costs) for kind in ("downloaded", "written"))
    paragraphs = [
        _by_rule(plan),
        _wall(plan),
        f"Main memory of the largest job: {_size(plan.costs[largest].memory)} ({_name(plan.jobs[largest])})\n"
        f"Downloads: {_size(downloaded)}\nDisk, with downloads: {_size(downloaded + written)}",
    ]
    if why := _why(plan.jobs):
        paragraphs.insert(0, why)
    if plan.unmeasured:
        paragraphs.append(
            f"NOT MEASURED ON A GPU, ARITHMETIC: {', '.join(plan.unmeasured)}.\n"
            "Operations of a model of that size at an assumed speed, with assumed launches and start-up (gpu in\n"
            "resources/costs.yaml): it may be wrong by several times. Finished jobs correct it, and\n"
            "`python benchmarks/fine_tuning.py --ours` measures on a GPU."
        )
    paragraphs.append("\n".join(["This rests on:", *(f"  - {note}" for note in plan.notes)]))
    return "\n\n".join(paragraphs)


def _why(jobs: Sequence[Job]) -> str:
    """What made jobs of a run that had begun necessary, the cause of most first; nothing of a run from the start."""
    found: dict[str, Counter] = defaultdict(Counter)
    for job in jobs:
        for cause in reasons.causes(job.reason):
            found[cause][job.rule] += 1
    if found.keys() <= {reasons.NOT_DONE}:
        return ""
    lines = ["Why, what only follows from other jobs left out:"]
    for cause, rules in sorted(found.items(), key=lambda item: -item[1].total()):
        lines.append(f"  - {cause}: {', '.join(f'{count} {rule}' for rule, count in rules.most_common())}")
    return "\n".join(lines)


def _by_rule(plan: Plan) -> str:
    """Jobs and their time by rule, the costliest first, and in all."""
    times: Counter = Counter()
    for job, cost in zip(plan.jobs, plan.costs, strict=True):
        times[job.rule] += cost.seconds
    counts = Counter(job.rule for job in plan.jobs)
    lines = [f"{'':17}  jobs      time"]
    lines += [f"{rule:17}  {counts[rule]:4}  {_duration(seconds):>8}" for rule, seconds in times.most_common()]
    on_gpus = sum(seconds for rule, seconds in times.items() if rule in CLAIM_A_GPU and plan.on_gpu) / 3600
    on_cores = times.total() / 3600 - on_gpus
    hours = [f"{on_gpus:,.1f} GPU-hours{_arithmetic(plan)} and "] * plan.on_gpu + [f"{on_cores:,.2f} CPU-hours"]
    return "\n".join([*lines, f"\n{len(plan.jobs)} jobs: {''.join(hours)}"])


def _wall(plan: Plan) -> str:
    unit = f"GPUs, one job on each{_arithmetic(plan)}" if plan.on_gpu else "cores"
    rows = (map(str, plan.wall), map(_duration, plan.wall.values()))
    return "\n".join([f"Wall time by {unit}:", *("  " + "".join(f"{cell:>9}" for cell in row) for row in rows)])


def _arithmetic(plan: Plan) -> str:
    return " (not measured: arithmetic)" if plan.unmeasured else ""


def _name(job: Job) -> str:
    return " ".join([job.rule, *(value for key, value in job.wildcards.items() if key != "seed")])


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 600:
        return f"{seconds / 60:.1f} min"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 360_000 else f"{seconds / 3600:,.0f} h"


def _size(size: float) -> str:
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
