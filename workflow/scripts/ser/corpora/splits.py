"""Speaker-independent splits of whole groups, with every emotion on both sides.

A split holds out some groups of a corpus: a source's development set, or a target's test set. The
admissible splits are sorted by the size of the smallest held-out emotion, largest first, with ties in
random order. Seed k takes the k-th split. So seeds have different splits while there are enough, the
first splits are the best, and adding a seed changes no other split.

Groups whose utterances share a recording are treated as one group.

The order is found by integer programming rather than enumeration: 29 speakers have half a billion subsets.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.core.seeding import named_generator

DEVELOPMENT_SHARE = (0.15, 0.25)  # least and most, of the source's utterances


def source_split(rows: Sequence[dict], overlaps: Sequence[dict], seed: int, corpus: str) -> dict[str, str]:
    """Assign each utterance of a source to `train` or `dev`.

    The development set has a `DEVELOPMENT_SHARE` of the utterances. `overlaps` are rows of `overlaps.csv`.

    Raises `UserError` if no split of whole groups has every emotion on both sides.
    """
    rows = with_joined_groups(rows, overlaps)
    groups, counts = count_groups(rows)
    totals = counts.sum(axis=0)
    least, most = (share * totals.sum() for share in DEVELOPMENT_SHARE)
    held_out = nth_best_split(
        counts, min_remaining=np.ones(len(EMOTIONS)), held_out_total=(least, most), nth=seed - 1, name="source"
    )
    if held_out is None:
        raise UserError(
            f"{corpus} cannot be a source: no split into whole groups (speakers, sessions, or a CSV's column"
            f" `group`) has {least:.0f} to {most:.0f} of its {totals.sum()} utterances"
            " in the development set and every emotion on both sides"
            f" ({_summary(groups, counts)}). Leave it out of the sources."
        )
    return _assign_roles(rows, {groups[g] for g in held_out}, held_out="dev", remaining="train")


def target_split(
    rows: Sequence[dict], overlaps: Sequence[dict], seed: int, pool_per_emotion: int, corpus: str
) -> dict[str, str]:
    """Assign each utterance of a target to `pool` (few-shot examples) or `test`.

    The pool has at least `pool_per_emotion` utterances of every emotion. `overlaps` are rows of
    `overlaps.csv`.

    Raises `UserError` if no split of whole groups leaves every emotion in the test set.
    """
    rows = with_joined_groups(rows, overlaps)
    groups, counts = count_groups(rows)
    held_out = nth_best_split(
        counts,
        min_remaining=np.full(len(EMOTIONS), max(1, pool_per_emotion)),
        held_out_total=(0, counts.sum()),
        nth=seed - 1,
        name="target",
    )
    if held_out is None:
        raise UserError(
            f"{corpus} cannot be split into a few-shot pool and a test set: no pool of whole groups"
            " (speakers, sessions, or a CSV's column `group`) has"
            f" {pool_per_emotion} utterances of every emotion and leaves some of every emotion for the test set"
            f" ({_summary(groups, counts)}). Lower `few_shot.pool_per_emotion`, which applies to every target, or"
            " leave the corpus out of the targets."
        )
    return _assign_roles(rows, {groups[g] for g in held_out}, held_out="test", remaining="pool")


def with_joined_groups(rows: Sequence[dict], overlaps: Sequence[dict]) -> list[dict]:
    """Return the rows with groups that share a recording joined into one.

    The name of a joined group contains the names of all its groups.
    """
    group_of = {row["utterance"]: row["group"] for row in rows}
    together = {group: {group} for group in group_of.values()}
    for overlap in overlaps:
        first, second = together[group_of[overlap["utterance"]]], together[group_of[overlap["other"]]]
        if first is not second:
            first |= second
            together |= dict.fromkeys(second, first)
    return [row | {"group": "+".join(sorted(together[row["group"]]))} for row in rows]


def count_groups(rows: Sequence[dict]) -> tuple[list[str], np.ndarray]:
    """Return the sorted groups and their emotion counts: int, shape (groups, 4)."""
    groups = sorted({row["group"] for row in rows})
    counts = np.zeros((len(groups), len(EMOTIONS)), int)
    index = {group: i for i, group in enumerate(groups)}
    for row in rows:
        counts[index[row["group"]], EMOTIONS.index(row["emotion"])] += 1
    return groups, counts


def nth_best_split(
    counts: np.ndarray, min_remaining: np.ndarray, held_out_total: tuple[float, float], nth: int, name: str
) -> list[int] | None:
    """Return the groups held out by the nth admissible split.

    Counts from 0, and starts again when all splits are used.

    Args:
        counts: utterances per group and emotion, shape (groups, 4).
        min_remaining: minimum number of utterances of each emotion not held out, shape (4,).
        held_out_total: minimum and maximum number of utterances held out.
        name: seed name for the random order of equally good splits.

    A split is admissible if it keeps these bounds and holds out at least one utterance of every emotion. Returns
    None if there is none.
    """
    splits: list[list[int]] = []
    while len(splits) <= nth:
        split = _next_split(counts, min_remaining, held_out_total, splits, name)
        if split is None:
            return splits[nth % len(splits)] if splits else None
        splits.append(split)
    return splits[nth]


def _next_split(counts, min_remaining, held_out_total, excluded, name) -> list[int] | None:
    """Return the best admissible split that is not excluded.

    Maximises the count of the smallest held-out emotion. Variables: one bit per group (held out or not) and the
    smallest count. The random weights of the bits sum to less than one in absolute value, so they only break ties.
    """
    groups, emotions = counts.shape
    weights = named_generator("split", name, len(excluded)).uniform(-1, 1, groups) * 0.9 / groups
    smallest_column = -np.ones((emotions, 1))
    constraints = [
        LinearConstraint(np.hstack([counts.T, smallest_column]), lb=0),
        LinearConstraint(np.hstack([counts.T, np.zeros((emotions, 1))]), ub=counts.sum(axis=0) - min_remaining),
        LinearConstraint(np.append(counts.sum(axis=1), 0), *held_out_total),
    ]
    for split in excluded:
        bits = np.isin(np.arange(groups), split)
        # at least one bit differs: zeros become one, or ones become zero
        constraints.append(LinearConstraint(np.append(np.where(bits, -1, 1), 0), lb=1 - bits.sum()))
    result = milp(
        c=-np.append(weights, 1),
        integrality=np.ones(groups + 1),
        bounds=Bounds(np.append(np.zeros(groups), 1), np.append(np.ones(groups), counts.sum(axis=0).min())),
        constraints=constraints,
        options={"mip_rel_gap": 0},
    )
    return None if result.x is None else np.flatnonzero(result.x[:-1] > 0.5).tolist()


def _assign_roles(rows, held_out_groups: set[str], held_out: str, remaining: str) -> dict[str, str]:
    return {row["utterance"]: held_out if row["group"] in held_out_groups else remaining for row in rows}


def _summary(groups: list[str], counts: np.ndarray) -> str:
    per_emotion = (
        f"{emotion}: {counts[:, i].sum()} utterances in {np.count_nonzero(counts[:, i])} groups"
        for i, emotion in enumerate(EMOTIONS)
    )
    return f"{len(groups)} groups; " + ", ".join(per_emotion)
