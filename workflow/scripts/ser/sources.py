"""Where corpora and noise are published, and fetching them."""

from pathlib import Path

import yaml

from ser.archives import Archive
from ser.errors import UserError
from ser.files import written_whole

SOURCES = Path(__file__).resolve().parents[3] / "resources" / "sources.yaml"


def published() -> dict:
    """The shipped list: format -> {url, checksum, licence, ...}."""
    return yaml.safe_load(SOURCES.read_text(encoding="utf-8"))


def archive_name(corpus: str, entry: dict) -> str:
    """What a corpus's downloaded archive is called: entries of one published source share one file."""
    return f"{corpus}-mirror.zip" if entry["url"] else f"{entry['format']}.zip"


def corpus_source(entry: dict) -> dict:
    """URL and checksum of a corpus: the configured mirror, or the published source."""
    known = published()["corpora"].get(entry["format"], {})
    return {**known, "url": entry["url"]} if entry["url"] else known


def noise_source(noise_format: str, environment: str) -> dict:
    """URL and checksum of one environment's archive. Raises `UserError` if it is not published."""
    source = published()["noise"][noise_format]
    if environment not in source["checksums"]:
        raise UserError(
            f"{source['title']} has no environment {environment!r}; it has {', '.join(source['checksums'])}"
        )
    return {
        **{key: source[key] for key in ("title", "homepage", "licence")},
        "url": source["url"].format(environment=environment),
        "checksum": source["checksums"][environment],
    }


def refusal(corpus: str, entry: dict) -> str | None:
    """Why a corpus cannot be downloaded, and what to do; None if it can."""
    source = corpus_source(entry)
    if source.get("url"):
        return None
    return (
        f"corpora.{corpus}.path is not set, and {source['title']} may not be downloaded: {source['licence']}."
        f" Ask for it at {source['homepage']}, then set corpora.{corpus}.path in the configuration to your copy"
        f" ({source['copy']}). To run without it, take it out of the experiments' sources and targets."
    )


def fetch(source: dict, path: str | Path) -> None:
    """Download one archive to `path`, checked against its published checksum if it has one.

    Raises `UserError` if the server cannot be reached or the bytes are wrong; nothing is left behind.
    """
    import pooch  # here, since rules import this module while Snakemake starts
    import requests

    with written_whole(path) as temporary:
        try:
            pooch.retrieve(
                source["url"],
                known_hash=source.get("checksum"),
                fname=temporary.name,
                path=temporary.parent,
                downloader=pooch.HTTPDownloader(progressbar=True, timeout=60),
            )
            temporary.chmod(0o644)  # pooch keeps its files to their owner
            Archive(temporary)  # a server's page of excuses is no archive
        except (requests.RequestException, ValueError, OSError, UserError) as error:
            raise UserError(
                f"{source['url']} could not be fetched: {str(error).rstrip('.')}. Try again later, set `url` to another"
                " mirror, or fetch it yourself and set `path`."
            ) from error
