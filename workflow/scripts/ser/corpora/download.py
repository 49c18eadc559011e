"""Published sources of corpora and noise, and downloading from them."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

from ser.core import reference_data
from ser.core.errors import UserError
from ser.core.files import atomic_write
from ser.corpora.archives import Archive

TIMEOUT = 60  # seconds without data


def published() -> dict:
    """Return `resources/sources.yaml`: format -> {url, checksum, licence, ...}."""
    return reference_data.read("sources.yaml")


def archive_name(corpus: str, entry: dict) -> str:
    """Return the file name of a corpus's download.

    Corpora from one published source share one file.
    """
    if not entry["url"]:
        return f"{entry['format']}.zip"
    suffix = re.search(r"\.(zip|tar(\.\w+)?|tgz)$", entry["url"])
    return f"{corpus}-mirror{suffix[0] if suffix else '.zip'}"


def corpus_source(entry: dict) -> dict:
    """Return URL, checksum and licence of a corpus; its own `url` takes precedence."""
    known = published()["corpora"].get(entry["format"], {})
    return {**known, "url": entry["url"]} if entry["url"] else known


def environments(noise: dict) -> list[str]:
    """Return the noise environments that can be downloaded."""
    return list(published()["noise"][noise["format"]]["checksums"])


def noise_source(noise: dict, environment: str) -> dict:
    """Return URL, checksum and licence of one noise environment's archive."""
    source = published()["noise"][noise["format"]]
    return {
        **{key: source[key] for key in ("title", "homepage", "licence")},
        "url": (noise["url"] or source["url"]).replace("{environment}", environment),
        "checksum": source["checksums"][environment],
    }


def licence_notice(source: dict) -> str:
    """Return title, licence and homepage of a source, to show before its first use."""
    return f"{source['title']}: {source['licence']} ({source['homepage']})"


def fetch(source: dict, path: str | Path, check: Callable[[Path], object] = lambda path: None) -> None:
    """Download one archive to `path` and check it.

    Compares the published checksum, if there is one, and reads the whole archive.

    Args:
        check: raises `UserError` if the archive does not have the expected contents.

    Raises `UserError` if the download or a check fails. No partial file is left behind.
    """
    import pooch  # here, since rules import this module at Snakemake's startup
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    with atomic_write(path) as temporary:
        try:
            pooch.retrieve(
                source["url"],
                known_hash=source.get("checksum"),
                fname=temporary.name,
                path=temporary.parent,
                downloader=pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT),
            )
            Archive(temporary).check()
            check(temporary)
        except (requests.RequestException, ValueError, UserError) as error:
            failed = isinstance(error, requests.RequestException)
            problem = "could not be downloaded" if failed else "was downloaded, but is not the expected archive"
            reason = str(error).replace(str(temporary), "the downloaded file").rstrip(".")
            raise UserError(
                f"{source['url']} {problem}: {reason}. Try again later, set `url` to another mirror, or"
                " download it yourself and set `path`."
            ) from error
