"""Search for splits of a corpus's groups that differ between seeds and share few utterances.

The splits of seeds 1, 2, ... are chosen in this order. Of the admissible splits that no earlier seed has, those are
candidates whose smallest held-out emotion has at least `SMALLEST_SHARE` of the utterances of the best one's. A test set
also has at least `TEST_SHARE` of the utterances of the largest such set. The seed takes the candidate that shares the
fewest utterances with the sets held out by all earlier seeds together. Among equals, a test set is the one with most
utterances that were never held out; a development set is not enlarged, since that would take training data. Seeds
have different splits while there are enough, and adding a seed changes no other split.

Splits are found by integer programming rather than enumeration: 29 speakers have half a billion subsets. The search
is exact for corpora like the paper's. With many unequal speakers it ends at `SEARCH_NODES` with the best split found,
still admissible and without repeats. Which of equally good splits is found depends on a random order of the groups
and on the version of SciPy, which `envs/` pins.
"""

import math

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from ser.core.constants import EMOTIONS
from ser.core.seeding import named_generator

# Of the best split's smallest held-out emotion. Chosen on five corpora with five seeds: more leaves out speakers of
# EMODB, less covers hardly more, with smaller classes (docs/reference/protocol.md, Splits and seeds).
SMALLEST_SHARE = 0.75
# Of the largest test set. Without it, few shared utterances would mean small sets: one speaker of EMODB (339). At two
# thirds, fewer of its speakers are ever tested.
TEST_SHARE = 0.6
INFEASIBLE = 2  # status of `milp`
SEARCH_NODES = 100  # of the branch-and-bound tree; the paper's corpora and RAVDESS need at most 5 (ten seeds)


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
