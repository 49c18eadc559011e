"""Speaker-independent splits of whole groups, with every emotion on both sides.

A split holds out some groups of a corpus: a source's development set, or a target's test set. Each seed has its own
(`split_search`). Groups with overlapping utterances are treated as one group.
"""

import logging
import math
from collections.abc import Collection, Sequence
from itertools import chain

import numpy as np

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.core.seeding import named_generator
from ser.corpora.split_search import distinct_splits

log = logging.getLogger(__name__)

DEVELOPMENT_SHARE = (0.15, 0.25)  # least and most, of the source's utterances


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
    min_remaining = np.full(len(EMOTIONS), pool_per_emotion)
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
