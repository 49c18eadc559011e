"""From nothing to verified corpora by one command: the real layouts, served over HTTP to the real rules."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import real_layouts
import yaml
from conftest import ROOT
from local_server import serve
from workflow_tools import Workflow, small_disk

from ser.core.constants import EMOTIONS
from ser.core.files import read_json, read_rows
from ser.corpora import formats
from ser.corpora.audio import open_audio

ENVIRONMENTS = ("DKITCHEN", "NPARK", "PSTATION", "STRAFFIC", "PCAFETER")
COUNTS = {  # angry, happy, neutral, sad
    "EMODB": (127, 71, 79, 143),
    "EMODB-339": (127, 71, 79, 62),
    "EMOVO": (84, 84, 84, 84),
    "URDU": (100, 100, 100, 100),
    "IEMOCAP": (1103, 1636, 1708, 1084),
    "RAVDESS": (192, 192, 96, 192),
}


def served_archives() -> dict[str, bytes]:
    archives = {
        "/emodb.zip": real_layouts.zipped(real_layouts.emodb()),
        "/emovo.zip": real_layouts.zipped(real_layouts.emovo_archive()),
        "/urdu.zip": real_layouts.zipped(real_layouts.urdu()),
        "/ravdess.zip": real_layouts.zipped(real_layouts.ravdess_archive()),
        "/IEMOCAP_full_release.tar.gz": real_layouts.tarred(real_layouts.iemocap()),
    }
    return archives | {f"/{name}_16k.zip": real_layouts.zipped(real_layouts.noise(name)) for name in ENVIRONMENTS}


def publish(workflow: Workflow, url: str, archives: dict[str, bytes]) -> None:
    """Let the workflow's list of sources and checksums be of these archives on this server."""
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
def fetched(tmp_path_factory):
    """All five corpora and five environments, by `snakemake corpora`; with what the server was asked for."""
    workflow = Workflow(tmp_path_factory.mktemp("downloads") / "repository", directory="experiment")
    archives = served_archives()
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    with serve(archives) as server:
        publish(workflow, server.url, archives)
        config["seeds"] = [1]
        config["corpora"] |= {
            "IEMOCAP": {
                "format": "iemocap",
                "language": "English",
                "url": f"{server.url}/IEMOCAP_full_release.tar.gz",
            },
            "RAVDESS": {"format": "ravdess", "language": "English"},
            "URDU": {"format": "urdu", "language": "Urdu", "verify": "sha256"},
            "EMODB-339": {"format": "emodb", "language": "German", "boredom": "drop"},
        }
        pairs = {
            "models": ["cnn-lstm"],
            "sources": ["IEMOCAP", "RAVDESS", "EMODB", "EMOVO"],
            "targets": ["URDU", "EMOVO"],
        }
        config["experiments"] = {"table2": pairs}
        workflow.configure(config)
        output = workflow.run(
            "--cores",
            "2",
            "corpora",
            "results/corpora/EMODB-339/utterances.csv",
            *(f"results/corpora/{corpus}/noisy/mixing.csv" for corpus in ("EMODB", "IEMOCAP")),
        ).stdout
    return workflow.directory, archives, server.requests, output


@pytest.mark.parametrize("corpus", COUNTS)
def test_counts(fetched, corpus):
    directory, *_ = fetched
    rows = read_rows(directory / f"results/corpora/{corpus}/utterances.csv")
    counts = Counter(row["emotion"] for row in rows)
    assert tuple(counts[emotion] for emotion in EMOTIONS) == COUNTS[corpus]
    audio = open_audio(directory / f"results/corpora/{corpus}/clean/audio.npy")
    assert len(audio) == sum(int(row["samples"]) for row in rows) == len(rows) * real_layouts.SHORT * 16_000


def test_every_archive_is_fetched_once_and_kept_as_it_was(fetched):
    directory, archives, requests, _ = fetched
    assert sorted(requests) == sorted(archives)
    kept = {path.name: path.read_bytes() for path in (directory / "resources").rglob("*.*") if path.is_file()}
    renamed = {"/IEMOCAP_full_release.tar.gz": "IEMOCAP-mirror.tar.gz"}
    assert kept == {renamed.get(name, name[1:]): content for name, content in archives.items()}


def test_licences_are_shown_before_anything_is_fetched(fetched):
    *_, output = fetched
    before = output[: output.index("rule download_")]
    for licence in ("EMODB, version 1: CC0", "EMOVO: said to be CC BY-NC-SA", "URDU: research use only"):
        assert licence in before
    for licence in ("IEMOCAP: licensed to each user", "RAVDESS: CC BY-NC-SA", "DEMAND: CC BY-SA"):
        assert licence in before


def test_true_speakers_of_iemocap(fetched):
    directory, *_ = fetched
    rows = read_rows(directory / "results/corpora/IEMOCAP/utterances.csv")
    assert {row["speaker"] for row in rows} == {f"Ses0{session}{sex}" for session in range(1, 6) for sex in "FM"}
    assert {row["group"] for row in rows} == {f"Ses0{session}" for session in range(1, 6)}
    for row in rows:
        assert row["speaker"] == row["utterance"][:5] + row["utterance"].rsplit("_", 1)[1][0]
        assert row["gender"] == {"F": "female", "M": "male"}[row["speaker"][-1]]
    wrong_by_prefix = sum(row["utterance"][:6] != row["speaker"] for row in rows)
    assert 2_500 < wrong_by_prefix < 3_000
    archive = read_json(directory / "results/corpora/IEMOCAP/archive.json")
    assert archive["verification"] == {"level": "names", "files": 10_039, "warnings": []}


def test_headers_of_four_kilobytes_are_passed_over(fetched):
    directory, *_ = fetched
    members = dict(real_layouts.emodb())
    rows = {row["file"]: row for row in read_rows(directory / "results/corpora/EMODB/utterances.csv")}
    audio = open_audio(directory / "results/corpora/EMODB/clean/audio.npy", list(rows.values()))
    for name in sorted(real_layouts.FOUR_KILOBYTES & {Path(file).name for file in rows}):
        row = rows[f"wav/{name}"]
        samples = audio[int(row["start"]) : int(row["start"]) + int(row["samples"])]
        np.testing.assert_array_equal(samples, real_layouts.first_channel(members[f"wav/{name}"], 16_000))


def test_audit_of_every_corpus(fetched):
    directory, archives, *_ = fetched
    table = {row["corpus"]: row for row in read_rows(directory / "results/audit.csv")}
    assert list(table) == ["IEMOCAP", "EMODB", "EMOVO", "URDU", "RAVDESS"]
    speakers = {corpus: int(row["speakers"]) for corpus, row in table.items()}
    assert speakers == {"IEMOCAP": 10, "EMODB": 10, "EMOVO": 6, "URDU": 29, "RAVDESS": 24}
    assert {corpus: row["verified"] for corpus, row in table.items()} == {
        "IEMOCAP": "names",
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


def test_environments_are_evenly_used(fetched):
    directory, *_ = fetched
    for corpus in ("EMODB", "IEMOCAP"):
        mixing = read_rows(directory / f"results/corpora/{corpus}/noisy/mixing.csv")
        counts = Counter(row["environment"] for row in mixing)
        assert set(counts) == set(ENVIRONMENTS)
        assert max(counts.values()) - min(counts.values()) <= 1
        assert all(abs(float(row["snr_db"]) - 10) < 0.01 for row in mixing)


class TestFaults:
    """What goes wrong is said, and a rerun is right."""

    @pytest.fixture
    def workflow(self, tmp_path):
        workflow = Workflow(tmp_path / "repository", directory="experiment")
        config = yaml.safe_load((ROOT / "config" / "emodb-urdu.yaml").read_text(encoding="utf-8"))
        for corpus in config["corpora"].values():
            corpus["path"] = None
        workflow.configure(config)
        return workflow

    @pytest.mark.parametrize(
        ("served", "reason"),
        [
            (lambda whole: b"<html><title>Quota exceeded</title></html>", "web page titled 'Quota exceeded'"),
            (lambda whole: whole[: len(whole) // 2], "damaged or cut short"),
            (lambda whole: whole.replace(b"data", b"DATA", 1), "damaged or cut short"),
            (lambda whole: real_layouts.zipped([("../wav/03a01Fa.wav", b"")]), "points outside the archive"),
            (lambda whole: one_less(real_layouts.emodb()), "534 were found; missing: 03a01Fa.wav"),
            (lambda whole: real_layouts.zipped([]), "none of its 0 audio files"),
        ],
        ids=["web page", "half", "corrupted", "outside", "one file less", "empty"],
    )
    def test_a_bad_download_is_not_trusted(self, workflow, served, reason):
        whole = real_layouts.zipped(real_layouts.emodb())
        target = "results/corpora/EMODB/utterances.csv"
        with serve({"/emodb.zip": served(whole)}, then={"/emodb.zip": whole}) as server:
            publish(workflow, server.url, served_archives_of_noise_and_ravdess())
            result = workflow.run("--cores", "1", target, check=False)
            assert result.returncode != 0
            assert reason in result.stdout
            assert "Traceback" not in result.stdout
            assert not [path for path in (workflow.directory / "resources").rglob("*") if path.is_file()]
            workflow.run("--cores", "1", target)
        assert len(read_rows(workflow.directory / target)) == 420

    @pytest.mark.parametrize("folder", ["resources", "results"])
    def test_a_full_disk_leaves_nothing_that_counts(self, workflow, folder):
        target = "results/corpora/EMODB/utterances.csv"
        with serve({"/emodb.zip": real_layouts.zipped(real_layouts.emodb())}) as server:
            publish(workflow, server.url, served_archives_of_noise_and_ravdess())
            if folder == "results":
                workflow.run("--cores", "1", "resources/corpora/emodb.zip")
            place = workflow.directory / folder
            with small_disk(place):
                result = workflow.run("--cores", "1", target, check=False)
                left = [path for path in place.glob("corpora/**/*") if path.is_file()]
            assert result.returncode != 0
            assert "the disk or quota is full" in result.stdout
            assert "Traceback" not in result.stdout
            assert left == []
            workflow.run("--cores", "1", target)
        assert len(read_rows(workflow.directory / target)) == 420


def one_less(members) -> bytes:
    """EMODB without one of its recordings."""
    return real_layouts.zipped([member for member in members if not member[0].endswith("03a01Fa.wav")])


def served_archives_of_noise_and_ravdess() -> dict[str, bytes]:
    """Stand-ins where a test fetches neither."""
    return {"/ravdess.zip": b""} | {f"/{name}_16k.zip": b"" for name in ENVIRONMENTS}


def test_every_published_format_is_tried_here():
    assert set(formats.PUBLISHED) == {"emodb", "emovo", "urdu", "iemocap", "ravdess"}
