"""One normal form for the names of speakers, groups, utterances and labels.

Two spellings that look the same must be one name: otherwise a speaker could be on both sides of a split.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from ser.core.errors import listing

NUMBER = re.compile(r"(?<![\d.])0*(\d+?)(?:\.0+)?(?![\d.])")  # with leading zeros, and a fraction of zeros


def normalise(name: str) -> str:
    """Return a name in Unicode NFKC, without invisible format characters and with single blanks inside only."""
    compatible = unicodedata.normalize("NFKC", name)
    visible = (c for c in compatible if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf"))
    return " ".join("".join(visible).split())


def similar_names(kind: str, names: Iterable[str]) -> list[str]:
    """Return a warning if names differ only in case or in how a number is written (3, 03, 3.0).

    Args:
        kind: what the names are, in the plural.
    """
    alike = defaultdict(set)
    for name in names:
        western = "".join(str(unicodedata.decimal(character, character)) for character in name.casefold())
        alike[NUMBER.sub(r"\1", western)].add(name)
    pairs = [" and ".join(map(repr, sorted(found))) for _, found in sorted(alike.items()) if len(found) > 1]
    return [f"{kind} that differ only in case or number format count as different: {listing(pairs)}"] * bool(pairs)
