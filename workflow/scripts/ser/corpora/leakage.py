"""Checks that no speaker, group or overlapping pair of utterances is on both sides of a split."""

from collections.abc import Mapping, Sequence

from ser.core.errors import REPORT, UserError, listing
from ser.core.files import read_rows


def read_roles(split) -> dict[str, str]:
    """Read utterance -> role from a split's path."""
    return {row["utterance"]: row["role"] for row in read_rows(split)}


def read_split(split, utterances, overlaps) -> dict[str, str]:
    """Read a split and check it with its corpus's tables.

    Returns the role of every utterance. Raises `UserError` if the split leaks.

    Args:
        split: path of the split.
        utterances: path of `utterances.csv`.
        overlaps: path of `overlaps.csv`.
    """
    roles = read_roles(split)
    check_no_leak(read_rows(utterances), read_rows(overlaps), roles, str(split))
    return roles


def check_no_leak(rows: Sequence[dict], overlaps: Sequence[dict], roles: Mapping[str, str], split: str) -> None:
    """Raise `UserError` if a split leaks or is incomplete.

    A split leaks if an overlapping pair of utterances has two roles, or a speaker or group is on both sides. In a split
    with a test set, training and development data are one side: both are of the pool. An utterance that is `unused`
    may overlap with any other.
    """
    check_complete(rows, roles, split)
    sided = roles
    if "test" in roles.values():
        sided = {utterance: role if role == "test" else "pool" for utterance, role in roles.items()}
    for column in ("speaker", "group"):
        sides: dict[str, str] = {}
        for row in rows:
            side = sided[row["utterance"]]
            if sides.setdefault(row[column], side) != side:
                raise UserError(
                    f"{split} leaks: {column} {row[column]} is in both {sides[row[column]]} and {side}. {REPORT}"
                )
    for overlap in overlaps:
        one, other = overlap["utterance"], overlap["other"]
        if roles[one] != roles[other] and "unused" not in (roles[one], roles[other]):
            raise UserError(
                f"{split} leaks: {one} ({roles[one]}) and {other} ({roles[other]}) overlap by"
                f" {float(overlap['seconds']):.2f} s. {REPORT}"
            )


def check_complete(rows: Sequence[dict], roles: Mapping[str, str], split: str) -> None:
    """Raise `UserError` unless a split contains exactly the utterances of its corpus."""
    if mismatches := sorted(roles.keys() ^ {row["utterance"] for row in rows}):
        raise UserError(
            f"{split} does not match its corpus: {listing(mismatches)} are in only one of the two. Delete the split"
            " and run Snakemake again."
        )


def check_subset(subset: Sequence[str], roles: Mapping[str, str], path: str) -> None:
    """Raise `UserError` unless every few-shot example is in the target's pool."""
    if outside := sorted(utterance for utterance in subset if roles.get(utterance) != "pool"):
        raise UserError(f"{path} leaks: {listing(outside)} are not in the target's pool for this seed. {REPORT}")
