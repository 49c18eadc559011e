"""Speaker-independent splits: whole groups, every emotion on both sides, best balance first.

A split holds some of a corpus's groups out: a source's development set, or a target's test set.
The admissible splits of a corpus are ordered by the size of the smallest emotion held out, largest
first, ties in a random order; repetition k takes the k-th. So every repetition has another split as
long as there are as many, the first are the best there are, and adding a repetition moves none.

Groups with utterances that hold the same recording stay together, as if they were one.

The order is found by integer programming rather than by enumeration, since a corpus of 29 speakers
has half a billion subsets.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.core.seeding import named_generator

DEVELOPMENT_SHARE = (0.15, 0.25)  # of the source's utterances


def source_split(rows: Sequence[dict], overlaps: Sequence[dict], seed: int, corpus: str) -> dict[str, str]:
    """Assign each utterance of a source to `train` or `dev`.

    The development set holds `DEVELOPMENT_SHARE` of the utterances. `overlaps` are rows of `overlaps.csv`.

    Raises `UserError` if no split of whole groups has every emotion on both sides.
    """
    rows = with_joined_groups(rows, overlaps)
    groups, counts = count_groups(rows)
    totals = counts.sum(axis=0)
    least, most = (share * totals.sum() for share in DEVELOPMENT_SHARE)
    held_out = nth_best_split(
        counts, least_left=np.ones(len(EMOTIONS)), held_out_total=(least, most), nth=seed - 1, name="source"
    )
    if held_out is None:
        raise UserError(
            f"{corpus} cannot be a source: no development set of whole groups has {least:.0f} to {most:.0f} of its"
            f" {totals.sum()} utterances and every emotion on both sides ({_summary(groups, counts)})."
        )
    return _roles(rows, {groups[g] for g in held_out}, held_out="dev", left="train")


def target_split(
    rows: Sequence[dict], overlaps: Sequence[dict], seed: int, pool_per_emotion: int, corpus: str
) -> dict[str, str]:
    """Assign each utterance of a target to `pool` (few-shot samples) or `test`.

    The pool holds at least `pool_per_emotion` utterances of every emotion. `overlaps` are rows of
    `overlaps.csv`.

    Raises `UserError` if no split of whole groups leaves every emotion in the test set.
    """
    rows = with_joined_groups(rows, overlaps)
    groups, counts = count_groups(rows)
    held_out = nth_best_split(
        counts,
        least_left=np.full(len(EMOTIONS), max(1, pool_per_emotion)),
        held_out_total=(0, counts.sum()),
        nth=seed - 1,
        name="target",
    )
    if held_out is None:
        raise UserError(
            f"{corpus} cannot be split into a few-shot pool and a test set: no pool of whole groups has"
            f" {pool_per_emotion} utterances of every emotion and leaves some of every emotion to test on"
            f" ({_summary(groups, counts)}). Lower `few_shot.pool_per_emotion`, which every"
            " target's splits follow, or leave the corpus out of the targets."
        )
    return _roles(rows, {groups[g] for g in held_out}, held_out="test", left="pool")


def with_joined_groups(rows: Sequence[dict], overlaps: Sequence[dict]) -> list[dict]:
    """The rows with one group, named by all of them, for groups that share a recording."""
    group_of = {row["utterance"]: row["group"] for row in rows}
    together = {group: {group} for group in group_of.values()}
    for overlap in overlaps:
        first, second = together[group_of[overlap["utterance"]]], together[group_of[overlap["other"]]]
        if first is not second:
            first |= second
            together |= dict.fromkeys(second, first)
    return [row | {"group": "+".join(sorted(together[row["group"]]))} for row in rows]


def count_groups(rows: Sequence[dict]) -> tuple[list[str], np.ndarray]:
    """The groups, sorted, and their utterances per emotion: int array of shape (groups, 4)."""
    groups = sorted({row["group"] for row in rows})
    counts = np.zeros((len(groups), len(EMOTIONS)), int)
    index = {group: i for i, group in enumerate(groups)}
    for row in rows:
        counts[index[row["group"]], EMOTIONS.index(row["emotion"])] += 1
    return groups, counts


def nth_best_split(
    counts: np.ndarray, least_left: np.ndarray, held_out_total: tuple[float, float], nth: int, name: str
) -> list[int] | None:
    """The groups that the nth admissible split holds out, counting from 0 and wrapping around.

    Args:
        counts: utterances per group and emotion, shape (groups, 4).
        least_left: least utterances of each emotion that stay, shape (4,).
        held_out_total: least and most utterances held out.
        name: names the random order of equally good splits.

    Returns None if there is no admissible split: one that keeps these bounds and holds out at least
    one utterance of every emotion.
    """
    splits: list[list[int]] = []
    while len(splits) <= nth:
        split = _next_split(counts, least_left, held_out_total, splits, name)
        if split is None:
            return splits[nth % len(splits)] if splits else None
        splits.append(split)
    return splits[nth]


def _next_split(counts, least_left, held_out_total, excluded, name) -> list[int] | None:
    """Maximise the smallest emotion held out over all admissible splits not excluded.

    Variables: one bit per group (held out or not) and the smallest count. The bits' random weights
    sum to less than one in size, so they decide between equal splits only.
    """
    groups, emotions = counts.shape
    weights = named_generator("split", name, len(excluded)).uniform(-1, 1, groups) * 0.9 / groups
    smallest_column = -np.ones((emotions, 1))
    constraints = [
        LinearConstraint(np.hstack([counts.T, smallest_column]), lb=0),
        LinearConstraint(np.hstack([counts.T, np.zeros((emotions, 1))]), ub=counts.sum(axis=0) - least_left),
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


def _roles(rows, groups_held_out: set[str], held_out: str, left: str) -> dict[str, str]:
    return {row["utterance"]: held_out if row["group"] in groups_held_out else left for row in rows}


def _summary(groups: list[str], counts: np.ndarray) -> str:
    per_emotion = (
        f"{emotion}: {counts[:, i].sum()} utterances in {np.count_nonzero(counts[:, i])} groups"
        for i, emotion in enumerate(EMOTIONS)
    )
    return f"{len(groups)} groups; " + ", ".join(per_emotion)
