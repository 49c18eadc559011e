"""One normal form for the names of speakers, groups, utterances and labels.

Common spellings that look the same must be one name: otherwise a speaker could be on both sides of a split.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from ser.core.errors import listing

NUMBER = re.compile(r"(?<![\d.])0*(\d+?)(?:\.0+)?(?![\d.])")  # with leading zeros, and a fraction of zeros


DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\uff0d"), "-")
APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u02bc\uff07"), "'")
ARABIC = {ord("\u064a"): "\u06cc", ord("\u0649"): "\u06cc", ord("\u0643"): "\u06a9", ord("\u0640"): None}


def normalise(name: str) -> str:
    """Return a name in Unicode NFKC, without control or format characters, with one kind of dash, apostrophe, blank."""
    compatible = unicodedata.normalize("NFKC", name).translate(DASHES | APOSTROPHES)
    visible = (c for c in compatible if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf"))
    return " ".join("".join(visible).split())


def similar_names(kind: str, names: Iterable[str]) -> list[str]:
    """Return a warning if names differ only in case, in separators, or in how a number or letter is written.

    Examples are 3, 03 and 3.0; spk_1 and spk 1; Arabic and Persian forms of a letter.

    Args:
        kind: what the names are, in the plural.
    """
    alike = defaultdict(set)
    for name in names:
        folded = re.sub(r"[ _-]+", " ", name.casefold().translate(ARABIC)).strip(" '")
        western = "".join(str(unicodedata.decimal(character, character)) for character in folded)
        alike[NUMBER.sub(r"\1", western)].add(name)
    pairs = [" and ".join(map(repr, sorted(found))) for _, found in sorted(alike.items()) if len(found) > 1]
    return [
        f"{kind} that differ only in case, separators, number format, or Arabic and Persian letters count as different:"
        f" {listing(pairs)}"
    ] * bool(pairs)
