"""Download rules: real layouts from a local server become verified corpora."""

import hashlib
from pathlib import Path

import pytest
import real_layouts
import yaml
from conftest import ROOT
from local_server import serve
from workflow_tools import Workflow, small_disk

from ser.core.files import read_json, read_rows

ENVIRONMENTS = ("DKITCHEN", "NPARK")


def served_archives() -> dict[str, bytes]:
    archives = {
        "/emodb.zip": real_layouts.zipped(real_layouts.emodb()),
        "/emovo.zip": real_layouts.zipped(real_layouts.emovo_archive()),
        "/mirror/urdu.zip": real_layouts.zipped(real_layouts.urdu()),
        "/ravdess.zip": real_layouts.zipped(real_layouts.ravdess_archive()),
    }
    return archives | {f"/{name}_16k.zip": real_layouts.zipped(real_layouts.noise(name)) for name in ENVIRONMENTS}


def publish(workflow: Workflow, url: str, archives: dict[str, bytes]) -> None:
    """Set the workflow's sources and checksums to archives on a local server."""
    path = workflow.repository / "resources" / "sources.yaml"
    sources = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name in ("emodb", "emovo", "urdu", "ravdess"):
        sources["corpora"][name]["url"] = f"{url}/{name}.zip"
    sources["corpora"]["ravdess"]["checksum"] = f"md5:{hashlib.md5(archives['/ravdess.zip']).hexdigest()}"
    demand = sources["noise"]["demand"]
    demand["url"] = url + "/{environment}_16k.zip"
    for name in ENVIRONMENTS:
        demand["checksums"][name] = f"md5:{hashlib.md5(archives[f'/{name}_16k.zip']).hexdigest()}"
    path.write_text(yaml.safe_dump(sources), encoding="utf-8")
    resources = workflow.repository / "resources"
    published = real_layouts.checksums(real_layouts.emodb(), key=lambda name: Path(name).name)
    (resources / "emodb-v1-sha256.tsv").write_text(published, encoding="utf-8")
    published = real_layouts.checksums(real_layouts.urdu(), key=lambda name: name.split("/", 1)[1])
    (resources / "urdu-sha256.tsv").write_text(published, encoding="utf-8")


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory):
    """Run `snakemake corpora` on all corpora that can be downloaded, and fetch two environments."""
    workflow = Workflow(tmp_path_factory.mktemp("downloads") / "repository", directory="experiment")
    archives = served_archives()
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    with serve(archives) as server:
        publish(workflow, server.url, archives)
        config["seeds"] = [1]
        config["corpora"] |= {
            "RAVDESS": {"format": "ravdess", "language": "English"},
            "URDU": {
                "format": "urdu",
                "language": "Urdu",
                "verify": "sha256",
                "url": f"{server.url}/mirror/urdu.zip",
            },
            "EMODB-339": {"format": "emodb", "language": "German", "boredom": "drop"},
        }
        pairs = {
            "models": ["cnn-lstm"],
            "sources": ["RAVDESS", "EMODB", "EMOVO"],
            "targets": ["URDU", "EMOVO"],
        }
        config["experiments"] = {"table2": pairs}
        workflow.configure(config)
        output = workflow.run(
            "--cores",
            "2",
            "corpora",
            "results/corpora/EMODB-339/utterances.csv",
            *(f"resources/noise/{name}_16k.zip" for name in ENVIRONMENTS),
        ).stdout
    return workflow.directory, archives, server.requests, output


def test_every_archive_is_downloaded_once_and_unchanged(downloaded):
    directory, archives, requests, _ = downloaded
    assert sorted(requests) == sorted(archives)
    kept = {path.name: path.read_bytes() for path in (directory / "resources").rglob("*.*") if path.is_file()}
    renamed = {"/mirror/urdu.zip": "URDU-mirror.zip"}
    assert kept == {renamed.get(name, name[1:]): content for name, content in archives.items()}


def test_licences_are_shown_before_downloads(downloaded):
    *_, output = downloaded
    assert "rule finetune" not in output
    before = output[: output.index("rule download_")]
    for licence in ("EMODB, version 1: CC0", "EMOVO: said to be CC BY-NC-SA", "URDU: research use only"):
        assert licence in before
    for licence in ("RAVDESS: CC BY-NC-SA", "DEMAND: CC BY-SA"):
        assert licence in before


def test_audit_of_every_corpus(downloaded):
    directory, archives, *_ = downloaded
    table = {row["corpus"]: row for row in read_rows(directory / "results/audit.csv")}
    assert list(table) == ["EMODB", "EMOVO", "URDU", "RAVDESS"]
    speakers = {corpus: int(row["speakers"]) for corpus, row in table.items()}
    assert speakers == {"EMODB": 10, "EMOVO": 6, "URDU": 29, "RAVDESS": 24}
    assert {corpus: row["verified"] for corpus, row in table.items()} == {
        "EMODB": "sha256",
        "EMOVO": "names",
        "URDU": "sha256",
        "RAVDESS": "names",
    }
    assert table["EMODB"]["archive_sha256"] == hashlib.sha256(archives["/emodb.zip"]).hexdigest()
    assert float(table["URDU"]["speaker_only_uar"]) == 96
    urdu = read_json(directory / "results/corpora/URDU/audit.json")
    assert urdu["speaker_emotion"]["SM5"] == {"angry": 0, "happy": 8, "neutral": 72, "sad": 0}
    assert urdu["genders"] == {"female": 11, "male": 18}
    ravdess = read_json(directory / "results/corpora/RAVDESS/audit.json")
    assert set(map(tuple, (c.values() for c in ravdess["speaker_emotion"].values()))) == {(8, 8, 4, 8)}
    assert ravdess["genders"] == {"female": 12, "male": 12}
    for corpus in table:
        assert (directory / f"results/corpora/{corpus}/audit.png").stat().st_size > 50_000


class TestFaults:
    """Faults of downloads are reported, and another attempt repairs them."""

    @pytest.fixture
    def workflow(self, tmp_path):
        workflow = Workflow(tmp_path / "repository", directory="experiment")
        config = yaml.safe_load((ROOT / "config" / "emodb-urdu.yaml").read_text(encoding="utf-8"))
        for corpus in config["corpora"].values():
            corpus["path"] = None
        workflow.configure(config)
        return workflow

    def test_bad_download_is_repeated(self, workflow):
        whole = real_layouts.zipped(real_layouts.emodb())
        less = real_layouts.zipped(m for m in real_layouts.emodb() if not m[0].endswith("03a01Fa.wav"))
        target = "results/corpora/EMODB/utterances.csv"
        with serve({"/emodb.zip": less}, then={"/emodb.zip": whole}) as server:
            publish(workflow, server.url, unused_archives())
            output = workflow.run("--cores", "1", target).stdout
            assert len(server.requests) == 2
        assert "534 were found; missing: 03a01Fa.wav" in output
        assert "Traceback" not in output
        assert len(read_rows(workflow.directory / target)) == 339

    def test_full_disk_leaves_no_output(self, workflow):
        target = "results/corpora/EMODB/utterances.csv"
        with serve({"/emodb.zip": real_layouts.zipped(real_layouts.emodb())}) as server:
            publish(workflow, server.url, unused_archives())
            place = workflow.directory / "resources"
            with small_disk(place):
                result = workflow.run("--cores", "1", target, check=False)
                left = [path for path in place.glob("corpora/**/*") if path.is_file()]
            assert result.returncode != 0
            assert "the disk or quota is full" in result.stdout
            assert "Traceback" not in result.stdout
            assert left == []
            workflow.run("--cores", "1", target)
        assert len(read_rows(workflow.directory / target)) == 339


def unused_archives() -> dict[str, bytes]:
    """Return empty archives of sources that a test does not use."""
    return {"/ravdess.zip": b""} | {f"/{name}_16k.zip": b"" for name in ENVIRONMENTS}
