"""Splits and few-shot examples with the names and counts of the real corpora."""

import functools
import time
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from conftest import real_rows

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.corpora import few_shot, leakage, split_search, splits

CORPORA = ("IEMOCAP", "EMODB-420", "EMODB-339", "EMOVO", "URDU", "RAVDESS")
SEEDS = (1, 2, 3, 4, 5)


def counted(rows, roles, role):
    return Counter(row["emotion"] for row in rows if roles[row["utterance"]] == role)


rows_of = functools.cache(real_rows)


@functools.cache
def source_roles(corpus, seed):
    return splits.source_split(rows_of(corpus), [], seed, corpus)


@functools.cache
def target_roles(corpus, seed):
    return splits.target_split(rows_of(corpus), [], seed, 50, corpus)


def groups_by_role(corpus, roles):
    """Return the groups on each side of a split."""
    return {role: {r["group"] for r in rows_of(corpus) if roles[r["utterance"]] == role} for role in {*roles.values()}}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("corpus", CORPORA)
class TestEverySplit:
    """Properties of the splits of every corpus with every seed."""

    def test_source_keeps_groups_whole_and_emotions_on_both_sides(self, corpus, seed):
        rows, roles = rows_of(corpus), source_roles(corpus, seed)
        assert roles.keys() == {row["utterance"] for row in rows}
        groups = groups_by_role(corpus, roles)
        assert not groups["train"] & groups["dev"]
        for role in ("train", "dev"):
            assert set(counted(rows, roles, role)) == set(EMOTIONS)
        share = sum(counted(rows, roles, "dev").values()) / len(rows)
        assert 0.15 <= share <= 0.25

    def test_target_keeps_groups_whole_and_fills_the_pool(self, corpus, seed):
        rows, roles = rows_of(corpus), target_roles(corpus, seed)
        groups = groups_by_role(corpus, roles)
        assert not groups["pool"] & groups["test"]
        assert min(counted(rows, roles, "pool")[emotion] for emotion in EMOTIONS) >= 50
        assert set(counted(rows, roles, "test")) == set(EMOTIONS)

    def test_few_shot_examples_are_nested_balanced_and_from_the_pool(self, corpus, seed):
        roles = target_roles(corpus, seed)
        pool = [row for row in rows_of(corpus) if roles[row["utterance"]] == "pool"]
        emotion_of = {row["utterance"]: row["emotion"] for row in pool}
        smaller: list[str] = []
        for shots in (50, 100, 150, 200):
            subset = few_shot.few_shot_subset(pool, shots, seed, corpus)
            assert len(set(subset)) == shots
            assert set(subset) <= emotion_of.keys()
            counts = Counter(emotion_of[utterance] for utterance in subset)
            assert max(counts.values()) - min(counts[emotion] for emotion in EMOTIONS) <= 1
            assert set(smaller) < set(subset)
            smaller = subset

    @pytest.mark.parametrize("shots", [50, 200])
    def test_examples_alone_are_those_of_the_pool_in_training_and_development(self, corpus, seed, shots, caplog):
        rows, pool_and_test = rows_of(corpus), target_roles(corpus, seed)
        pool = [row for row in rows if pool_and_test[row["utterance"]] == "pool"]
        drawn = set(few_shot.few_shot_subset(pool, shots, seed, corpus))
        roles = splits.within_split(rows, [], seed, 50, corpus, drawn)
        assert {utterance for utterance, role in roles.items() if role in ("train", "dev")} == drawn
        assert {utterance for utterance, role in roles.items() if role == "unused"} == (
            {row["utterance"] for row in pool} - drawn
        )
        groups = groups_by_role(corpus, roles)
        if corpus not in ("IEMOCAP", "URDU"):  # a pool of one or two sessions; speakers with a single emotion
            assert "share speakers" not in caplog.text
            assert not groups["train"] & groups["dev"]
        assert not groups["test"] & (groups["train"] | groups["dev"])
        for role in ("train", "dev"):
            assert set(counted(rows, roles, role)) == set(EMOTIONS)
        assert 0.15 <= sum(counted(rows, roles, "dev").values()) / shots <= 0.5
        leakage.check_no_leak([row | {"speaker": row["group"]} for row in rows], [], roles, "few-shot examples alone")


@pytest.mark.parametrize(
    ("corpus", "best"), [("EMODB-420", 21), ("EMODB-339", 12), ("EMOVO", 28), ("URDU", 28), ("RAVDESS", 44)]
)
def test_test_sets_have_three_quarters_of_the_largest_smallest_class(corpus, best):
    for seed in SEEDS:
        test = counted(rows_of(corpus), target_roles(corpus, seed), "test")
        assert 0.75 * best <= min(test[emotion] for emotion in EMOTIONS) <= best


@pytest.mark.parametrize("corpus", CORPORA)
def test_test_sets_have_more_than_half_of_the_largest(corpus):
    totals = [sum(counted(rows_of(corpus), target_roles(corpus, seed), "test").values()) for seed in SEEDS]
    assert min(totals) > max(totals) / 2
    assert all(len(groups_by_role(corpus, target_roles(corpus, seed))["test"]) >= 2 for seed in SEEDS)


@pytest.mark.parametrize(
    ("corpus", "never_dev", "never_tested"),
    [
        ("IEMOCAP", set(), set()),
        ("EMODB-420", set(), set()),
        ("EMODB-339", {"15"}, {"14"}),
        ("EMOVO", {"m3"}, set()),  # five development sets of one speaker
        ("URDU", {"SM4", "SM5"}, {"SM5"}),  # SM5 has 72 of 100 neutral utterances
        ("RAVDESS", set(), set()),
    ],
)
def test_five_seeds_hold_out_almost_every_speaker(corpus, never_dev, never_tested):
    groups = {row["group"] for row in rows_of(corpus)}
    for roles_of, role, never in ((source_roles, "dev", never_dev), (target_roles, "test", never_tested)):
        held_out = [groups_by_role(corpus, roles_of(corpus, seed))[role] for seed in SEEDS]
        assert groups - set().union(*held_out) == never
        assert len({*map(frozenset, held_out)}) == len(SEEDS)


def test_iemocap_dev_set_is_another_session_per_seed(caplog):
    sessions = [groups_by_role("IEMOCAP", source_roles("IEMOCAP", seed))["dev"] for seed in SEEDS]
    assert sorted(map(list, sessions)) == [["Ses01"], ["Ses02"], ["Ses03"], ["Ses04"], ["Ses05"]]
    assert not caplog.messages
    assert source_roles("IEMOCAP", 6) == source_roles("IEMOCAP", 1)
    assert "IEMOCAP as a source has only 5 distinct splits: seed 6 repeats the split of seed 1" in caplog.text


def test_order_equals_that_of_enumeration():
    """Enumerate EMODB's splits: each is used once, and follows the rule."""
    _, counts = splits.count_groups(real_rows("EMODB-339"))
    totals, pool = counts.sum(axis=0), np.full(4, 50)
    unused = {}  # subset -> smallest class, utterances
    for size in range(1, len(counts)):
        for subset in combinations(range(len(counts)), size):
            held_out = counts[list(subset)].sum(axis=0)
            if (totals - held_out >= 50).all() and held_out.min() >= 1:
                unused[subset] = held_out.min(), held_out.sum()
    assert len(unused) == 39
    found = split_search.distinct_splits(counts, pool, (0, totals.sum()), 50, "target", large=True)
    assert len(found) == 39
    assert split_search.distinct_splits(counts, pool, (0, totals.sum()), 5, "target", large=True) == found[:5]

    def shared_then_not_new(subset, earlier):
        new = counts[sorted({*subset}.difference(*earlier))].sum()
        return sum(counts[sorted({*subset} & {*other})].sum() for other in earlier), -new

    for k, subset in enumerate(map(tuple, found)):
        best = max(smallest for smallest, _ in unused.values())
        candidates = {s: total for s, (smallest, total) in unused.items() if smallest >= 0.75 * best}
        candidates = {s for s, total in candidates.items() if total >= 0.6 * max(candidates.values())}
        assert subset in candidates
        best = min(shared_then_not_new(other, found[:k]) for other in candidates)
        assert shared_then_not_new(subset, found[:k]) == best
        del unused[subset]


@pytest.mark.parametrize("large", [False, True])
def test_splits_of_many_unequal_speakers_take_seconds(large):
    """Find three splits of 90 speakers in 1 to 3 s, where proving that a split is the best takes minutes."""
    counts = np.random.default_rng(1).integers(10, 30, (90, 4))
    total = counts.sum()
    pool, bounds = (50, (0, total)) if large else (1, (0.15 * total, 0.25 * total))
    start = time.process_time()
    found = split_search.distinct_splits(counts, np.full(4, pool), bounds, 3, "many", large=large)
    assert time.process_time() - start < 60
    assert found[:1] == split_search.distinct_splits(counts, np.full(4, pool), bounds, 1, "many", large=large)
    assert len({*map(tuple, found)}) == 3
    for held_out in found:
        per_emotion = counts[held_out].sum(axis=0)
        assert per_emotion.min() >= 1
        assert (counts.sum(axis=0) - per_emotion).min() >= pool
        assert bounds[0] <= per_emotion.sum() <= bounds[1]


def test_impossible_split_is_rejected():
    rows = [{"utterance": f"{g}{e}", "group": g, "emotion": e} for g in "abcdef" for e in EMOTIONS]
    one_group_with_sad = [row for row in rows if row["emotion"] != "sad" or row["group"] == "a"]
    with pytest.raises(UserError, match=r"TOY cannot be a source.*sad: 1 utterances in 1 groups"):
        splits.source_split(one_group_with_sad, [], 1, "TOY")
    with pytest.raises(UserError, match=r"TOY cannot be split.*Lower `few_shot.pool_per_emotion`"):
        splits.target_split(rows, [], 1, 50, "TOY")


def test_too_few_examples_in_the_pool_are_rejected():
    pool = [{"utterance": f"{e}{i}", "emotion": e} for e in EMOTIONS for i in range(5)]
    with pytest.raises(UserError, match=r"24 balanced few-shot examples of TOY need 6 of each.*5 angry.*Lower"):
        few_shot.few_shot_subset(pool, 24, 1, "TOY")
