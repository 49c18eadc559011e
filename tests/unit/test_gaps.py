"""Gap between and within languages: made-up counts with known levels, splits within a corpus, sets of sources."""

import numpy as np
import pandas as pd
import pytest
from conftest import random_frames

from ser.config.experiments import EXPERIMENTS, Experiments, pairs_of, sets_of_leave_one_out
from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.corpora import leakage, splits
from ser.evaluation import gaps
from ser.evaluation.bootstrap import Estimate
from ser.figures import gap
from ser.training import data
from ser.training.data import Examples

# UARs of seeds 1 and 2 by source and shots; the target is T
LEVELS = {
    ("T", 0): (80, 90),
    ("A", 0): (45, 55),
    ("B", 0): (60, 70),
    ("all-but-T", 0): (65, 75),
    ("A", 50): (58, 62),
    ("A", 100): (70, 74),
}


def counts_of(levels) -> pd.DataFrame:
    """Return counts of four speakers with every emotion, whose recalls are around the UAR."""
    rows = []
    for (source, shots), values in levels.items():
        for seed, uar in enumerate(values, 1):
            for speaker, shift in zip("abcd", (-2, -1, 1, 2), strict=True):
                for i, emotion in enumerate(EMOTIONS):
                    own = {"model": "m", "source": source, "target": "T", "shots": shots, "condition": "clean"}
                    own |= {"seed": seed, "role": "test", "speaker": speaker, "emotion": emotion}
                    correct = uar + shift
                    rows.append(own | dict.fromkeys(EMOTIONS, 0) | {emotion: correct, EMOTIONS[i - 1]: 100 - correct})
    return pd.DataFrame(rows)


class TestGaps:
    """Levels and gaps of one model and target."""

    PARTS = {  # noqa: RUF012
        "models": ["m"],
        "single_sources": {"T": ["A", "B", "C"]},
        "all_others": {"T": "all-but-T"},
        "few_shot": {"source": "A", "shots": [0, 50, 100, 200], "targets": ["T"]},
    }

    @pytest.fixture(scope="class")
    @classmethod
    def found(cls):
        return gaps.gaps(counts_of(LEVELS), **cls.PARTS)

    def test_values(self, found):
        cells = {(row.quantity, row.source, row.shots): row.value for row in found.itertuples()}
        assert cells == {
            (gaps.WITHIN_LEVEL, "T", ""): pytest.approx(85),
            (gaps.BEST, "B", 0): pytest.approx(65),
            (gaps.MEAN, "", 0): pytest.approx(57.5),  # C has no runs
            (gaps.ALL_OTHERS, "all-but-T", 0): pytest.approx(70),
            (gaps.GAP_TO_BEST, "B", 0): pytest.approx(20),
            (gaps.GAP_TO_MEAN, "", 0): pytest.approx(27.5),
            (gaps.CLOSED, "A", 50): pytest.approx(100 * 10 / 35),
            (gaps.CLOSED, "A", 100): pytest.approx(100 * 22 / 35),
        }

    def test_no_share_from_the_targets_own_language(self):
        own = self.PARTS | {"few_shot": self.PARTS["few_shot"] | {"targets": []}}
        assert gaps.CLOSED not in set(gaps.gaps(counts_of(LEVELS), **own)["quantity"])

    def test_intervals_contain_their_values(self, found):
        assert (found["low"] <= found["value"]).all()
        assert (found["value"] <= found["high"]).all()
        assert set(found["seeds"]) == {2}

    def test_gap_is_paired_over_speakers_and_seeds(self):
        """Within and B differ by 20 for every speaker and seed: a seed fixes the test speakers of both."""
        found = gaps.gaps(counts_of({("T", 0): (80, 90), ("B", 0): (60, 70)}), **self.PARTS)
        row = found[found["quantity"] == gaps.GAP_TO_BEST].iloc[0]
        assert row.high - row.low < 1e-6
        level = found[found["quantity"] == gaps.BEST].iloc[0]
        assert level.high - level.low > 1

    def test_uncertain_gap_has_no_share(self):
        for effect, draws in ((5.0, np.linspace(-5, 15, 1000)), (-5.0, np.linspace(-6, -4, 1000))):
            estimate = Estimate(effect, draws, 10.0, 1)
            assert all(np.isnan(gaps.ratio(estimate, estimate)))

    def test_model_without_runs_within_has_levels_alone(self):
        levels = {cell: values for cell, values in LEVELS.items() if cell[0] != "T"}
        found = gaps.gaps(counts_of(levels), **self.PARTS)
        assert list(found["quantity"]) == [gaps.BEST, gaps.MEAN, gaps.ALL_OTHERS]
        del levels["all-but-T", 0]
        assert gaps.gaps(counts_of(levels), **self.PARTS).empty

    def test_table(self, found):
        (row,) = gap.texts(found, {"m": "Model"}).to_dict("records")
        assert list(row) == [
            *("Target", "Model", "Within", "Best source", "Mean of sources", "All other languages"),
            *("Gap to best", "Gap to mean", "Closed by 50 examples", "Closed by 100 examples"),
        ]
        assert row["Best source"].endswith(" (B)")
        assert row["Gap to best"].startswith("20.0 [")
        assert row["Closed by 100 examples"].startswith("63 [")


class TestWithin:
    """Split of a corpus to train and test within it."""

    @staticmethod
    def rows_of(emotions_by_speaker):
        return [
            {"utterance": f"{speaker}-{emotion}-{i}", "speaker": speaker, "group": speaker, "emotion": emotion}
            for speaker, emotions in emotions_by_speaker.items()
            for emotion in emotions
            for i in range(10)
        ]

    def test_pool_is_split_by_speaker(self):
        rows = self.rows_of({f"s{i:02}": EMOTIONS for i in range(12)})
        roles = splits.within_split(rows, [], 1, 50, "T")
        target = splits.target_split(rows, [], 1, 50, "T")
        assert {u for u, role in roles.items() if role == "test"} == {u for u, role in target.items() if role == "test"}
        speakers = {role: {u.split("-")[0] for u, own in roles.items() if own == role} for role in set(roles.values())}
        assert speakers.keys() == {"train", "dev", "test"}
        assert not (speakers["train"] & speakers["dev"] | (speakers["train"] | speakers["dev"]) & speakers["test"])
        leakage.check_no_leak(rows, [], roles, "within.csv")

    def test_pool_of_three_equal_speakers_has_a_larger_development_set(self, caplog):
        rows = self.rows_of({f"s{i}": EMOTIONS for i in range(6)})
        roles = splits.within_split(rows, [], 1, 30, "T")
        speakers = {role: {u.split("-")[0] for u, own in roles.items() if own == role} for role in set(roles.values())}
        assert {role: len(names) for role, names in speakers.items()} == {"train": 2, "dev": 1, "test": 3}
        assert caplog.text == ""

    def test_speakers_with_one_emotion_are_on_both_sides_of_training_only(self, caplog):
        """As in URDU: the pool has one speaker of anger."""
        emotions = {f"{emotion}{i}": [emotion] for emotion in EMOTIONS for i in range(2)}
        rows = self.rows_of(emotions)
        roles = splits.within_split(rows, [], 1, 10, "T")
        assert "share speakers" in caplog.text
        by_role = {role: [row for row in rows if roles[row["utterance"]] == role] for role in ("train", "dev", "test")}
        assert all({row["emotion"] for row in own} == set(EMOTIONS) for own in by_role.values())
        assert not {row["speaker"] for row in by_role["test"]} & {row["speaker"] for row in by_role["train"]}
        leakage.check_no_leak(rows, [], roles, "within.csv")

    def test_overlapping_recordings_are_on_one_side(self):
        """Also if speakers are not: a chain of three recordings of two speakers, cut by the draw without it."""
        rows = self.rows_of({f"{emotion}{i}": [emotion] for emotion in EMOTIONS for i in range(2)})
        roles = splits.within_split(rows, [], 1, 10, "T")
        train, dev, _ = ([u for u, own in roles.items() if own == role] for role in ("train", "dev", "test"))
        pairs = [(train[0], dev[0]), (train[0], train[1])]
        overlaps = [{"utterance": one, "other": other, "seconds": "1.0"} for one, other in pairs]
        with pytest.raises(UserError, match=r"overlap by 1\.00 s"):
            leakage.check_no_leak(rows, overlaps, roles, "within.csv")
        kept = splits.within_split(rows, overlaps, 1, 10, "T")
        leakage.check_no_leak(rows, overlaps, kept, "within.csv")
        assert {u for u in kept if kept[u] != roles[u]} == {train[0], train[1]}

    def test_test_speaker_in_training_is_a_leak(self):
        rows = self.rows_of({f"s{i:02}": EMOTIONS for i in range(12)})
        roles = splits.within_split(rows, [], 1, 50, "T")
        test = next(u for u, role in roles.items() if role == "test")
        with pytest.raises(UserError, match="leaks: speaker"):
            leakage.check_no_leak(rows, [], roles | {test: "dev"}, "within.csv")


class TestSourceSets:
    """Training on several corpora."""

    def test_leave_one_language_out(self):
        entry = {"models": ["m"], "sources": ["A", "B", "C"], "targets": ["A", "B"], "balanced": False}
        assert pairs_of("leave_one_language_out", entry) == [("all-but-A", "A"), ("all-but-B", "B")]
        corpora = {"A": {"language": "a"}, "B": {"language": "b"}, "C": {"language": "A "}}
        sets = sets_of_leave_one_out(entry, corpora)
        assert {name: members["corpora"] for name, members in sets.items()} == {
            "all-but-A": ["B"],
            "all-but-B": ["A", "C"],
        }
        assert pairs_of("within", entry) == [("A", "A"), ("B", "B")]

    def test_corpora_of_an_experiment_are_those_of_its_sets(self):
        left_out = {"models": ["m"], "sources": ["A", "B", "C"], "targets": ["A"]}
        experiments = dict.fromkeys(EXPERIMENTS) | {"leave_one_language_out": left_out}
        sets = {"all-but-A": {"corpora": ["B", "C"], "balanced": True}}
        config = {"experiments": experiments, "seeds": [1], "source_sets": sets}
        config["corpora"] = dict.fromkeys(["A", "B", "C", "D"])
        assert Experiments(config).corpora() == ["A", "B", "C"]
        (run,) = Experiments(config).runs()
        assert run.path == "m/all-but-A-to-any/0-shot/seed1"

    def test_balanced_corpora_give_equally_many_utterances(self):
        names = [[f"a{i}" for i in range(9)], [f"b{i}" for i in range(4)]]
        first, second = data.balance(names, seed=1)
        assert len(first) == len(second) == 4
        assert set(first) <= set(names[0])
        assert data.balance(names, seed=1) == [first, second]
        assert data.balance(names, seed=2) != [first, second]

    def test_examples_are_joined_in_order(self):
        parts = [Examples(random_frames(count), ["sad"] * count, [count] * count) for count in (2, 1)]
        joined = data.concatenate(*parts)
        assert joined.samples == [2, 2, 1]
        assert joined.frames == [*parts[0].frames, *parts[1].frames]
