"""Documentation: commands are run or planned, excerpts loaded, links checked."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import preloaded_snakemake
import pytest
import yaml
from conftest import ROOT
from markdown_it import MarkdownIt
from snakemake.utils import update_config
from workflow_tools import Workflow

from ser.config import validation
from ser.snakemake_support.dry_run import parse

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
BASE = ROOT / "config" / "config.yaml"
TUTORIAL = ROOT / "docs" / "tutorial.md"
USING = ROOT / "docs" / "how-to" / "trained-model.md"  # all of its commands are run by test_use
SNAKEMAKE_PAGES = {*(ROOT / "docs" / "how-to").iterdir()} - {USING}  # inline options are Snakemake's
TOKENS = {page: MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")) for page in PAGES}

NOT_RUN_HERE = {  # slow, dependent on slow commands, or they run these tests
    "make demo",
    "python3.11 -m venv .venv",
    ".venv/bin/pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu",
    "make test",
    "make test-unit",
    "make lint",
    "make install",
    "make install PYTHON=python3.11",
    "make reference",
    "make report",
    "make report DIRECTORY=demo",
    "cat emodb-urdu/results/tables/table2.md",
    ".ci/run",
    "snakemake --rulegraph | dot -Tsvg -Gnodesep=0.25 -Granksep=0.35 > docs/images/rules.svg",
    "snakemake --software-deployment-method conda",
    "snakemake --workflow-profile cross-language-ser/profiles/default --cores 16 ser_all",  # run by test_ecosystem
    "squeue --me --Format=JobID,State,TimeUsed,Comment:80",
}


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a page in a language."""
    return [token.content for token in TOKENS[page] if token.type == "fence" and token.info == language]


def commands_in(page: Path) -> list[str]:
    """Return a page's commands, from sh blocks and other code, without comments."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    indented = [token.content for token in TOKENS[page] if token.type == "code_block"]
    other = [line.removeprefix("time ") for block in indented for line in block.splitlines()]
    children = [child for token in TOKENS[page] if token.type == "inline" for child in token.children]
    sentences = [child.content for child in children if child.type == "code_inline"]
    if page in SNAKEMAKE_PAGES:
        sentences = [re.sub(r"^(--[\w-]+ )", r"snakemake \1", text) for text in sentences]
    lines += [line for line in [*other, *sentences] if re.match("(snakemake|make|python|squeue) ", line)]
    commands = [re.sub(r"(^|\s+)#.*", "", line).strip() for line in lines]
    return [re.sub(r"\b[A-Z]+$|\b[A-Z]+(?= )", fill_placeholder, command) for command in commands if command]


def fill_placeholder(placeholder: re.Match) -> str:
    """Return an example value for a placeholder in capitals."""
    words = {"N": "2", "D": "demo", "C": "config/config.yaml", "FILE": "results/scores.csv"}
    return words.get(placeholder[0], placeholder[0])


def named_excerpts() -> Iterator[tuple[str, dict]]:
    """Yield configuration excerpts and the file name before each, or mine.yaml."""
    for page in PAGES:
        name = "tutorial" if page == TUTORIAL else "mine.yaml"
        for token in TOKENS[page]:
            if token.type == "inline":
                name = [name, *re.findall(r"`(\w+\.yaml)`", token.content)][-1]
            elif token.type == "fence" and token.info == "yaml":
                yield name, yaml.safe_load(token.content)


def excerpts() -> dict[str, dict]:
    """Return the excerpts of each file together."""
    files = {}
    for name, excerpt in named_excerpts():
        update_config(files.setdefault(name, {}), excerpt)
    return files


def base_of(name: str) -> dict:
    """Return the configuration that an excerpt's file is merged over: the paper's unless a command names another."""
    before = [re.search(rf"--configfile (\S+) {re.escape(name)}", command) for command in COMMANDS]
    paths = [ROOT / match[1] for match in before if match]
    return yaml.safe_load((paths or [BASE])[0].read_text(encoding="utf-8"))


COMMANDS = list(dict.fromkeys(command for page in PAGES for command in commands_in(page)))
SKIPPED = {*commands_in(USING), *NOT_RUN_HERE, *(c for c in COMMANDS if "benchmarks/" in c)}
CHECKED = [command for command in COMMANDS if command not in SKIPPED]
RUN = [
    command for command in CHECKED if re.match(r"(make (help|plan|progress)|snakemake --unlock|mkdir|\.)( |$)", command)
]
WITHOUT_EFFECT = "resources|set-threads|slurm-status-command|slurm-partition-config|forcerun|quiet"  # on the plan
PLANNED = {  # one of the commands whose options plan the same jobs
    re.sub(rf" (--(cores|jobs) \d+|-n|--({WITHOUT_EFFECT}) \S+)(?= |$)", "", c): c
    for c in reversed(CHECKED)  # so that a command without --quiet is kept
    if c.startswith("snakemake") and c not in RUN
}.values()
RULE_GRAPH = "snakemake --rulegraph"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Return a copy of the repository with the excerpts and the files they need."""
    folder = tmp_path_factory.mktemp("docs") / "repository"
    Workflow(folder)
    for name in ("Makefile", "demo/config/config.yaml"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    for config in (folder / "config").glob("*.yaml"):  # with one seed, plans take a fraction of the time
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace("seeds: [1, 2, 3, 4, 5]", "seeds: [1]"), encoding="utf-8")
    (folder / ".venv").symlink_to(sys.prefix)
    for name, excerpt in excerpts().items():
        (folder / name).write_text(yaml.safe_dump(excerpt), encoding="utf-8")
    for name in ("data/mine.csv", "first/data/mine.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("file,speaker,emotion\n", encoding="utf-8")
    return folder


def plan(command: str, repository: Path) -> str:
    """Return the output of a Snakemake command as a dry run."""
    arguments = [*shlex.split(command)[1:], "--dry-run"]
    status, output = preloaded_snakemake.run(arguments, repository, os.environ)
    assert status == 0, f"{command}\n{output[-6000:]}"
    return output


def run(command: str, repository: Path) -> str:
    """Return the output of a command in a shell where `.venv` is active."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(["bash", "-ec", command], cwd=repository, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, f"{command}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result.stdout


@pytest.fixture(scope="module")
def printed(repository):
    """Return futures of the commands' outputs; two commands run at a time."""
    with ThreadPoolExecutor(2) as pool:
        plans = {command: pool.submit(plan, command, repository) for command in PLANNED}
        yield plans | {command: pool.submit(run, command, repository) for command in [*RUN, RULE_GRAPH]}
        pool.shutdown(cancel_futures=True)


def test_every_command_is_run():
    """Exceptions are in `NOT_RUN_HERE` or run by another test."""
    unknown = [command for command in CHECKED if command not in RUN and not command.startswith("snakemake")]
    assert unknown == []
    assert set(COMMANDS) >= NOT_RUN_HERE, "a command is on no page"


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make")])
def test_make_targets_exist(command):
    subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("command", RUN)
def test_command_runs(command, printed):
    printed[command].result()


@pytest.mark.parametrize("command", PLANNED)
def test_command_plans_jobs_of_its_excerpt(command, printed):
    """Jobs include every corpus and model that the excerpt adds, of a named experiment those that it has."""
    wildcards = {value for job in parse(printed[command].result()) for value in job.wildcards.values()}
    for name, excerpt in excerpts().items():
        if name in command:
            base = base_of(name)
            added = {
                entry for kind in ("corpora", "models") for entry in excerpt.get(kind, {}).keys() - base[kind].keys()
            }
            update_config(base, excerpt)
            if named := base["experiments"].get(command.split()[1]):
                members = {name for names in named.values() if isinstance(names, list) for name in names}
                assert not added or added & members
                added &= members
            assert added <= wildcards
    assert wildcards or "--quiet" in command


def test_excerpts_are_valid_configurations():
    """Each excerpt alone is valid over its base, and changes it."""
    found = [*named_excerpts()]
    assert found
    for name, excerpt in found:
        base = base_of(name)
        before = validation.load(base)
        update_config(base, excerpt)
        assert validation.load(base) != before, excerpt


def test_the_tutorials_excerpt_is_of_its_configuration():
    (excerpt,) = blocks(TUTORIAL, "yaml")
    text = (ROOT / "config" / "emodb-urdu.yaml").read_text(encoding="utf-8")
    assert all(part in text for part in excerpt.split("\n\n"))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    tokens = TOKENS[page]
    titles = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_exist_and_pictures_are_small(page):
    """Check links within the repository."""
    inline = [child for token in TOKENS[page] for child in token.children or []]
    pictures = [child.attrs["src"] for child in inline if child.type == "image"]
    for link in [*pictures, *(child.attrs["href"] for child in inline if child.type == "link_open")]:
        if re.match("https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
    assert all((page.parent / picture).stat().st_size < 150_000 for picture in pictures)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_machine_specific_paths(page):
    assert not re.findall(r"(?<![\w.}])/(?:home|root|work|tmp|Users|mnt|scratch)/", page.read_text(encoding="utf-8"))


def test_every_page_is_reached_from_the_readme():
    reached, queue = set(), [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        if page in reached or page not in PAGES:
            continue
        reached.add(page)
        inline = [child for token in TOKENS[page] for child in token.children or [] if child.type == "link_open"]
        queue += [(page.parent / child.attrs["href"].partition("#")[0]).resolve() for child in inline]
    assert reached == set(PAGES)


def test_rule_graph_is_up_to_date(printed):
    """docs/images/rules.svg has the rules and arrows of Snakemake's rule graph."""
    dot = printed[RULE_GRAPH].result()
    names = dict(re.findall(r'(\d+)\[label = "(\w+)"', dot))
    arrows = {(names[start], names[end]) for start, end in re.findall(r"(\d+) -> (\d+)", dot)}
    groups = ElementTree.parse(ROOT / "docs" / "images" / "rules.svg").iter("{http://www.w3.org/2000/svg}g")
    drawn = {group.get("id"): [text for text in group.itertext() if text.strip()] for group in groups}
    shown = {texts[0]: texts[1] for key, texts in drawn.items() if key.startswith("node")}
    edges = [texts[0].split("->") for key, texts in drawn.items() if key.startswith("edge")]
    assert set(shown.values()) == set(names.values())
    assert {(shown[start], shown[end]) for start, end in edges} == arrows
