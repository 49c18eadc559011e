"""Code hash of a job: it changes only with what the code computes."""

import pytest
from conftest import write_tree

from ser.core.paths import ROOT
from ser.models import families
from ser.snakemake_support import code_hash

JOB = '''"""Run a job."""

import logging

from ser.loop import run
from ser.plumbing import start

log = logging.getLogger(__name__)
RATE = 0.5  # of learning


def main(first, second=2):
    """Return a number."""
    log.info("starting with %s", first)
    if first + second > 3:
        raise ValueError("too much")
    return run(first, second)
'''
TREE = {
    "workflow/scripts/job.py": JOB,
    "workflow/scripts/ser/__init__.py": "",
    "workflow/scripts/ser/loop.py": "def run(a, b):\n    import ser.late\n    return ser.late.half(a - b)\n",
    "workflow/scripts/ser/late.py": "def half(x):\n    from ser import last\n    return x / last.TWO\n",
    "workflow/scripts/ser/last.py": "TWO = 2\n",
    "workflow/scripts/ser/plumbing.py": "def start():\n    pass\n",
    "workflow/scripts/ser/unused.py": "x = 1\n",
    "resources/data.csv": "a,b\n",
}


@pytest.fixture
def hash_of(tmp_path, monkeypatch):
    """Return a function that computes the job's hash with some files changed."""
    trees = iter(range(100))

    def compute(changes=None):
        root = tmp_path / str(next(trees))
        write_tree(root, {name: text.encode() for name, text in (TREE | (changes or {})).items()})
        scripts = root / "workflow" / "scripts"
        monkeypatch.setattr(code_hash, "ROOT", root)
        monkeypatch.setattr(code_hash, "SCRIPTS", scripts)
        monkeypatch.setattr(code_hash, "PLUMBING", {scripts / "ser" / "plumbing.py"})
        code_hash.code_hash.cache_clear()
        return code_hash.code_hash("workflow/scripts/job.py", "resources/data.csv")

    yield compute
    code_hash.code_hash.cache_clear()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # of learning", "  # of forgetting"),
        ("Return a number", "Return another number"),
        ("(first, second=2)", "(\n    first,\n    second=2,\n)"),
        ('log.info("starting with %s", first)', 'log.warning("started")'),
        ("too much", "more than is allowed"),
    ],
    ids=["comment", "docstring", "formatting", "log", "error message"],
)
def test_prose_does_not_change_the_hash(hash_of, old, new):
    assert old in JOB
    assert hash_of({"workflow/scripts/job.py": JOB.replace(old, new)}) == hash_of()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RATE = 0.5", "RATE = 0.6"),
        ("first + second", "first - second"),
        ("second=2", "second=3"),
        ("run(first, second)", "run(second, first)"),
        ("ValueError", "TypeError"),
    ],
    ids=["constant", "operator", "default", "arguments", "error"],
)
def test_computations_change_the_hash(hash_of, old, new):
    assert old in JOB
    assert hash_of({"workflow/scripts/job.py": JOB.replace(old, new)}) != hash_of()


@pytest.mark.parametrize("module", ["loop", "late", "last"])
def test_imported_modules_change_the_hash(hash_of, module):
    """The modules are imported at the top and inside functions, in several forms."""
    path = f"workflow/scripts/ser/{module}.py"
    assert hash_of({path: TREE[path] + "y = 1\n"}) != hash_of()


def test_new_module_changes_the_hash(hash_of):
    changes = {"workflow/scripts/ser/last.py": "from ser.new import TWO\n"}
    found = {hash_of(changes | {"workflow/scripts/ser/new.py": f"TWO = {n}\n"}) for n in (2, 3)}
    assert len(found | {hash_of()}) == 3


def test_plumbing_and_unused_modules_do_not_change_the_hash(hash_of):
    changes = {f"workflow/scripts/ser/{name}.py": "y = 1\n" for name in ("plumbing", "unused")}
    assert hash_of(changes) == hash_of()


def test_hash_is_the_same_in_all_versions_of_python(hash_of):
    """Snakemake may run under another version than the environments of its jobs."""
    code = "def main(*args, key=None, **more):\n    return [f'{x!r:>9}' for x in (*args, b'', ...)] or {**more}\n"
    assert hash_of({"workflow/scripts/job.py": code}) == "441abff36cc9cafa"


def test_data_file_changes_the_hash(hash_of):
    assert hash_of({"resources/data.csv": "a,b \n"}) != hash_of()


def test_files_behind_real_jobs():
    def behind(script, *sources):
        found = code_hash.files_behind(f"workflow/scripts/{script}.py", *sources)
        return {str(path.relative_to(ROOT / "workflow" / "scripts")) for path in found}

    training = behind("finetune", *families.of({"family": "cnn-lstm"}).modules, "ser.training.loop")
    assert {"finetune.py", "ser/training/loop.py", "ser/core/metrics.py", "ser/models/cnn_lstm.py"} <= training
    assert not training & {"ser/corpora/ingest.py", "ser/models/whisper.py", "ser/figures/style.py"}
    whisper = {"family": "whisper", "tuning": {"method": "lora"}}
    lora = behind("predict", *families.of(whisper).modules)
    assert {"ser/models/whisper.py", "ser/models/fine_tuning_methods.py"} <= lora
    frozen = behind("finetune", *families.of(whisper | {"tuning": {"method": "frozen"}, "checkpoint": "a/b"}).modules)
    assert "ser/models/frozen_head.py" in frozen
    assert not frozen & {"ser/models/whisper.py", "ser/models/fine_tuning_methods.py"}
    assert not any(name.startswith("ser/models/") for name in behind("collect_scores"))


def test_listing_hash_covers_names_and_sizes(tmp_path):
    write_tree(tmp_path, {"a": b"1", "b": b"22"})
    paths = [tmp_path / "a", tmp_path / "b"]
    before = code_hash.listing_hash(paths)
    (tmp_path / "b").touch()
    assert code_hash.listing_hash(paths) == before
    (tmp_path / "b").write_bytes(b"333")
    assert len({code_hash.listing_hash(paths), code_hash.listing_hash([*paths, tmp_path / "absent"]), before}) == 3
