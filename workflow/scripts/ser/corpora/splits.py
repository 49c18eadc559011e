"""Speaker-independent splits of whole groups, with every emotion on both sides.

A split holds out some groups of a corpus: a source's development set, or a target's test set. The splits of seeds
1, 2, ... are chosen in this order. Of the admissible splits that no earlier seed has, those are candidates whose
smallest held-out emotion has at least `SMALLEST_SHARE` of the utterances of the best one's. A test set also has at
least `TEST_SHARE` of the utterances of the largest such set. The seed takes the candidate that shares the fewest
utterances with the sets held out by all earlier seeds together. Among equals, a test set is the one with most
utterances that were never held out; a development set is not enlarged, since that would take training data. Seeds
have different splits while there are enough, and adding a seed changes no other split.

Groups with overlapping utterances are treated as one group.

Splits are found by integer programming rather than enumeration: 29 speakers have half a billion subsets. The search
is exact for corpora like the paper's. With many unequal speakers it ends at `SEARCH_NODES` with the best split found,
still admissible and without repeats. Which of equally good splits is found depends on a random order of the groups
and on the version of SciPy, which `envs/` pins.
"""

import logging
import math
from collections.abc import Collection, Sequence
from itertools import chain

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.core.seeding import named_generator

log = logging.getLogger(__name__)

DEVELOPMENT_SHARE = (0.15, 0.25)  # least and most, of the source's utterances
# Of the best split's smallest held-out emotion. Chosen on five corpora with five seeds: more leaves out speakers of
# EMODB, less covers hardly more, with smaller classes (docs/reference/protocol.md, Splits and seeds).
SMALLEST_SHARE = 0.75
# Of the largest test set. Without it, few shared utterances would mean small sets: one speaker of EMODB (339). At two
# thirds, fewer of its speakers are ever tested.
TEST_SHARE = 0.6
INFEASIBLE = 2  # status of `milp`
SEARCH_NODES = 100  # of the branch-and-bound tree; the paper's corpora and RAVDESS need at most 5 (ten seeds)


def source_split(rows: Sequence[dict], overlaps: Sequence[dict], seed: int, corpus: str) -> dict[str, str]:
    """Assign each utterance of a source to `train` or `dev`.

    The development set has a `DEVELOPMENT_SHARE` of the utterances. `overlaps` are rows of `overlaps.csv`.

    Raises `UserError` if no split of whole groups has every emotion on both sides.
    """
    rows = with_joined_groups(rows, overlaps)
    groups, counts = count_groups(rows)
    found = _development_sets(counts, DEVELOPMENT_SHARE, number=seed, name="source")
    if not found:
        least, most = (share * len(rows) for share in DEVELOPMENT_SHARE)
        raise UserError(
            f"{corpus} cannot be a source: no split into whole groups (speakers, sessions, or a CSV's column"
            f" `group`) has {least:.0f} to {most:.0f} of its {len(rows)} utterances"
            " in the development set and every emotion on both sides"
            f" ({_summary(groups, counts)}). Leave it out of the sources."
        )
    held_out = _split_of_seed(found, seed, f"{corpus} as a source")
    return _assign_roles(rows, {groups[g] for g in held_out}, held_out="dev", remaining="train")


def _development_sets(counts: np.ndarray, share: tuple[float, float], number: int, name: str) -> list[list[int]]:
    """Return the groups held out as development sets with a share of the utterances, as `distinct_splits`."""
    total = counts.sum()
    return distinct_splits(
        counts, np.ones(len(EMOTIONS)), (share[0] * total, share[1] * total), number=number, name=name, large=False
    )


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
    min_remaining = np.full(len(EMOTIONS), max(1, pool_per_emotion))
    found = distinct_splits(counts, min_remaining, (0, counts.sum()), number=seed, name="target", large=True)
    if not found:
        raise UserError(
            f"{corpus} cannot be split into a few-shot pool and a test set: no pool of whole groups"
            " (speakers, sessions, or a CSV's column `group`) has"
            f" {pool_per_emotion} utterances of every emotion and leaves some of every emotion for the test set"
            f" ({_summary(groups, counts)}). Lower `few_shot.pool_per_emotion`, which applies to every target, or"
            " leave the corpus out of the targets."
        )
    held_out = _split_of_seed(found, seed, f"{corpus} as a target")
    return _assign_roles(rows, {groups[g] for g in held_out}, held_out="test", remaining="pool")


def within_split(
    rows: Sequence[dict],
    overlaps: Sequence[dict],
    seed: int,
    pool_per_emotion: int,
    corpus: str,
    examples: Collection[str] | None = None,
) -> dict[str, str]:
    """Assign each utterance of a corpus to `train`, `dev` or `test`, to train and test within the corpus.

    The test set is that of `target_split`. Its pool is split like a source, but since it has few groups, a development
    set may be larger, up to half of the pool, if there is none of the usual size. If whole groups cannot have every
    emotion on both sides (in URDU most speakers have one emotion), a fifth of each emotion's utterances is drawn, and
    what overlaps with them, with a warning: then only the choice of the epoch is not independent of speakers.

    Args:
        examples: few-shot examples of the pool that are split alone; its other utterances are then `unused`.

    Raises `UserError` if there is no such test set.
    """
    roles = target_split(rows, overlaps, seed, pool_per_emotion, corpus)
    pool = [row for row in with_joined_groups(rows, overlaps) if roles[row["utterance"]] == "pool"]
    if examples is not None:
        roles |= {row["utterance"]: "unused" for row in pool}
        chosen = set(examples)
        pool = [row for row in pool if row["utterance"] in chosen]
    groups, counts = count_groups(pool)
    least, usual = DEVELOPMENT_SHARE
    for most in np.arange(usual, 0.51, 0.05):
        if found := _development_sets(counts, (least, most), number=1, name="within"):
            held_out = {groups[g] for g in found[0]}
            return roles | _assign_roles(pool, held_out, held_out="dev", remaining="train")
    log.warning(
        "the pool of %s, seed %d, cannot be split into whole groups with every emotion in training and development, so"
        " these share speakers (not with the test set)",
        corpus,
        seed,
    )
    generator = named_generator("within", corpus, seed)
    for emotion in EMOTIONS:
        own = generator.permutation(sorted(row["utterance"] for row in pool if row["emotion"] == emotion)).tolist()
        dev = math.ceil(np.mean(DEVELOPMENT_SHARE) * len(own))
        roles |= dict.fromkeys(own[:dev], "dev") | dict.fromkeys(own[dev:], "train")
    pairs = [(pair["utterance"], pair["other"]) for pair in overlaps]
    while parted := [pair for pair in pairs if {roles[name] for name in pair} == {"train", "dev"}]:
        roles |= dict.fromkeys(chain.from_iterable(parted), "dev")
    return roles


def with_joined_groups(rows: Sequence[dict], overlaps: Sequence[dict]) -> list[dict]:
    """Return the rows with groups that have overlapping utterances joined into one.

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


def distinct_splits(
    counts: np.ndarray,
    min_remaining: np.ndarray,
    held_out_total: tuple[float, float],
    number: int,
    name: str,
    *,
    large: bool,
) -> list[list[int]]:
    """Return the groups held out by the first `number` splits, or by all if there are fewer.

    A split is admissible if it keeps the bounds and holds out at least one utterance of every emotion.

    Args:
        counts: utterances per group and emotion, shape (groups, 4).
        min_remaining: minimum number of utterances of each emotion not held out, shape (4,).
        held_out_total: minimum and maximum number of utterances held out.
        name: seed name for the random order of the groups, which decides between equally good splits.
        large: whether held-out sets have at least `TEST_SHARE` of the largest one's utterances, and groups never held
            out are added if that shares no more utterances.
    """
    held_out = np.zeros((0, len(counts)), bool)  # by split
    while len(held_out) < number:
        order = named_generator("split", name, len(held_out)).permutation(len(counts))
        bits = _next_split(counts[order], min_remaining, held_out_total, held_out[:, order], large)
        if bits is None:
            break
        held_out = np.vstack([held_out, bits[np.argsort(order)]])
    return [np.flatnonzero(bits).tolist() for bits in held_out]


def _next_split(
    counts: np.ndarray, min_remaining: np.ndarray, held_out_total: tuple[float, float], earlier: np.ndarray, large: bool
) -> np.ndarray | None:
    """Return the groups that the next split holds out, as a mask, or None if all splits are used.

    Args:
        earlier: groups held out by earlier splits: bool, shape (splits, groups).
        counts, min_remaining, held_out_total, large: as for `distinct_splits`.
    """
    sizes, times_held_out = counts.sum(axis=1), earlier.sum(axis=0)
    constraints = [
        LinearConstraint(_without_smallest(counts.T), ub=counts.sum(axis=0) - min_remaining),
        LinearConstraint(_without_smallest(sizes[np.newaxis]), *held_out_total),
        LinearConstraint(np.hstack([counts.T, -np.ones((len(EMOTIONS), 1))]), lb=0),
    ]
    if len(earlier):  # at least one bit differs: zeros become one, or ones become zero
        differing = _without_smallest(np.where(earlier, -1, 1))
        constraints.append(LinearConstraint(differing, lb=1 - earlier.sum(axis=1)))
    best = _solve(np.append(0 * sizes, -1), constraints, at_least=1)
    if best is None:
        return None
    at_least = math.ceil(SMALLEST_SHARE * best[-1])
    shared, new = times_held_out * sizes, 0 * sizes
    if large:
        largest = _solve(np.append(-sizes, 0), constraints, at_least)
        enough = math.ceil(TEST_SHARE * (sizes @ largest[:-1]))
        constraints.append(LinearConstraint(np.append(sizes, 0), lb=enough))
        new = sizes * (times_held_out == 0)
    # fewest shared utterances first: one weighs more than all new ones
    return _solve(np.append(shared * (sizes.sum() + 1) - new, 0), constraints, at_least)[:-1] == 1


def _solve(objective: np.ndarray, constraints: list[LinearConstraint], at_least: int) -> np.ndarray | None:
    """Minimise a linear function of one bit per group (held out or not) and the smallest held-out emotion's count.

    The objective has integers, for which optimality is proved soonest. The search ends at `SEARCH_NODES` if it has
    found a split by then. Returns None if no split has a smallest count of `at_least`.
    """
    upper = np.append(np.ones(len(objective) - 1), np.inf)
    lower = np.append(np.zeros(len(objective) - 1), at_least)
    for nodes in (SEARCH_NODES, None):
        found = milp(
            objective,
            integrality=np.ones(len(objective)),
            bounds=Bounds(lower, upper),
            constraints=constraints,
            options={"mip_rel_gap": 0} | ({"node_limit": nodes} if nodes else {}),
        )
        if found.x is not None:
            return np.rint(found.x)
        if found.status == INFEASIBLE:
            return None
    raise RuntimeError(f"no split found: {found.message}")


def _without_smallest(coefficients: np.ndarray) -> np.ndarray:
    """Append a column of zeros: the constraint does not depend on the smallest count."""
    return np.hstack([coefficients, np.zeros((len(coefficients), 1))])


def _split_of_seed(splits: list[list[int]], seed: int, subject: str) -> list[int]:
    """Return a seed's split, starting again, with a warning, when all are used."""
    if seed > len(splits):
        log.warning(
            "%s has only %d distinct splits: seed %d repeats the split of seed %d. It differs only in"
            " initialisation, batch order and few-shot examples.",
            subject,
            len(splits),
            seed,
            (seed - 1) % len(splits) + 1,
        )
    return splits[(seed - 1) % len(splits)]


def _assign_roles(rows, held_out_groups: set[str], held_out: str, remaining: str) -> dict[str, str]:
    return {row["utterance"]: held_out if row["group"] in held_out_groups else remaining for row in rows}


def _summary(groups: list[str], counts: np.ndarray) -> str:
    per_emotion = (
        f"{emotion}: {counts[:, i].sum()} utterances in {np.count_nonzero(counts[:, i])} groups"
        for i, emotion in enumerate(EMOTIONS)
    )
    return f"{len(groups)} groups; " + ", ".join(per_emotion)
