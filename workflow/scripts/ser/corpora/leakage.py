"""What may not be on two sides of a split, checked wherever a split is made, described or used."""

from collections.abc import Mapping, Sequence

from ser.core.errors import UserError, listing
from ser.core.files import read_rows


def read_split(split, utterances, overlaps) -> dict[str, str]:
    """Role of every utterance, from the paths of a split and of its corpus's tables. Raises `UserError` if it leaks."""
    roles = {row["utterance"]: row["role"] for row in read_rows(split)}
    check_no_leak(read_rows(utterances), read_rows(overlaps), roles, str(split))
    return roles


def check_no_leak(rows: Sequence[dict], overlaps: Sequence[dict], roles: Mapping[str, str], split: str) -> None:
    """Raise `UserError` if a speaker, a group or a recording is on both sides of a split, or an utterance on none."""
    check_complete(rows, roles, split)
    for column in ("speaker", "group"):
        sides: dict[str, str] = {}
        for row in rows:
            side = roles[row["utterance"]]
            if sides.setdefault(row[column], side) != side:
                raise UserError(f"{split} leaks: {column} {row[column]} is both in {sides[row[column]]} and in {side}")
    for overlap in overlaps:
        one, other = overlap["utterance"], overlap["other"]
        if roles[one] != roles[other]:
            raise UserError(
                f"{split} leaks: {one} ({roles[one]}) and {other} ({roles[other]}) share"
                f" {float(overlap['seconds']):.2f} s of the same recording"
            )


def check_complete(rows: Sequence[dict], roles: Mapping[str, str], split: str) -> None:
    """Raise `UserError` unless a split assigns the very utterances of its corpus."""
    if strays := sorted(roles.keys() ^ {row["utterance"] for row in rows}):
        raise UserError(
            f"{split} is not a split of its corpus: {listing(strays)} are in one of the two only. Delete it and"
            " run again."
        )


def check_subset(subset: Sequence[str], roles: Mapping[str, str], path: str) -> None:
    """Raise `UserError` unless every few-shot example is of the target's pool."""
    if strays := sorted(utterance for utterance in subset if roles.get(utterance) != "pool"):
        raise UserError(f"{path} leaks: {listing(strays)} are not in the pool of this repetition")
