"""Checks of the machine before any work."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from ser.core.paths import ROOT


def blanks_in_paths() -> list[str]:
    """Return messages about paths with a blank, which Snakemake does not quote when it starts a job."""
    paths = {"repository": ROOT, "Python environment": Path(sys.prefix)}
    return [
        f"The path of the {name} contains a blank: {path}. Every job would fail. Move the repository to a path without"
        " blanks, and install the environment again (an environment cannot be moved)."
        for name, path in paths.items()
        if " " in str(path)
    ]


def missing_caches() -> list[str]:
    """Return a message if numba, which librosa uses, has no writable folder for compiled code.

    It looks in NUMBA_CACHE_DIR, beside librosa's own code, and in the user's cache folder. Where librosa is not
    installed, jobs run in another environment, and nothing is checked.
    """
    librosa = find_spec("librosa")
    if librosa is None:
        return []
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    candidates = [os.environ.get("NUMBA_CACHE_DIR"), librosa.submodule_search_locations[0], home]
    if any(_is_writable(Path(folder)) for folder in candidates if folder):
        return []
    return [
        f"No folder is writable for numba's compiled code, neither {candidates[1]} nor {home}. Set NUMBA_CACHE_DIR to a"
        " writable folder."
    ]


def _is_writable(folder: Path) -> bool:
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK)
