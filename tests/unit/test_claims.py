"""Claims, confidence intervals and verdicts on made-up predictions."""

import sys

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import interval_coverage

from ser.core import metrics
from ser.core.constants import EMOTIONS
from ser.evaluation import bootstrap, claims
from ser.evaluation.bootstrap import Arm

CORPORA = {"EMODB": "German", "EMOVO": "Italian", "URDU": "Urdu", "IEMOCAP": "English"}
FOUNDATION = ["wav2vec2", "xlsr", "whisper", "mms"]
CHECKPOINTS = {
    "wav2vec2": "facebook/wav2vec2-base",
    "xlsr": "facebook/wav2vec2-large-xlsr-53",
    "whisper": "openai/whisper-medium",
    "mms": "facebook/mms-300m",
}
PAIRS = {"sources": [*CORPORA], "targets": [*CORPORA]}
SETTINGS = {
    "roles": {
        "baseline": "cnn-lstm",
        "random": "wav2vec2-random",
        "english": "wav2vec2",
        "multilingual": ["xlsr", "whisper", "mms"],
        "margin": 1.0,
    },
    "titles": {},
    "models": {name: {"checkpoint": checkpoint} for name, checkpoint in CHECKPOINTS.items()},
    "languages": CORPORA,
    "experiments": {
        "table2": {"models": ["cnn-lstm", *FOUNDATION], **PAIRS},
        "figure2": {
            "models": ["cnn-lstm", *FOUNDATION],
            "source": "IEMOCAP",
            "targets": ["EMODB", "EMOVO", "URDU"],
            "shots": [0, 50, 200],
        },
        "figure3": {
            "models": ["cnn-lstm", *FOUNDATION],
            "source": "IEMOCAP",
            "targets": ["EMODB", "EMOVO", "URDU"],
            "condition": "noisy",
        },
        "random_init": {"models": ["cnn-lstm", "wav2vec2-random"], **PAIRS},
    },
}
LEVELS = {"cnn-lstm": 40, "wav2vec2": 50, "xlsr": 60, "whisper": 62, "mms": 58}
SPEAKERS = ("03", "08", "09", "10")


def counts_of(percent, **identity):
    """Yield counts of one seed, with recall `percent` for each speaker and emotion."""
    fixed = {"source": "EMODB", "target": "EMOVO", "shots": 0, "condition": "clean", "seed": 1, "role": "test"}
    for speaker in SPEAKERS:
        for i, emotion in enumerate(EMOTIONS):
            counts = dict.fromkeys(EMOTIONS, 0) | {emotion: percent}
            counts[EMOTIONS[i - 1]] = 100 - percent
            yield fixed | identity | {"speaker": speaker, "emotion": emotion} | counts


def experiment(levels, cells, seeds=(1, 2, 3), **identity):
    """Return counts of models with given recalls in %, varied by pair and seed."""
    rows = []
    for model, level in levels.items():
        for c, (source, target) in enumerate(cells):
            for seed in seeds:
                percent = level + c % 3 + seed % 2
                rows += counts_of(percent, model=model, source=source, target=target, seed=seed, **identity)
    return pd.DataFrame(rows)


def all_counts(table2, figure2=None, figure3=None, random_init=None):
    """Return counts of all experiments from recalls in % by model and setting."""
    pairs = claims.cells_of(SETTINGS["experiments"]["table2"])
    triples = claims.cells_of(SETTINGS["experiments"]["figure2"])
    found = {"table2": experiment(table2, pairs)}
    if figure2:
        few = [experiment({m: level}, triples, shots=shots) for (m, shots), level in figure2.items()]
        found["figure2"] = pd.concat(few, ignore_index=True)
    if figure3:
        noisy = [experiment({m: level}, triples, condition=c) for (m, c), level in figure3.items()]
        found["figure3"] = pd.concat(noisy, ignore_index=True)
    if random_init:
        found["random_init"] = experiment(random_init, pairs)
    return found


def settings_with(*names):
    """Return settings with only the named experiments."""
    return SETTINGS | {"experiments": {n: e if n in names else None for n, e in SETTINGS["experiments"].items()}}


class TestVerdicts:
    """Verdicts on known effects."""

    @pytest.fixture(scope="class")
    @classmethod
    def table(cls):
        levels = {"cnn-lstm": 40, "wav2vec2": 50, "xlsr": 60, "whisper": 50, "mms": 45}
        few = {(m, s): level + s / 10 for m, level in levels.items() for s in (0, 50, 200)}
        noisy = {(m, "clean"): level for m, level in levels.items()}
        noisy |= {(m, "noisy"): level - 10 for m, level in levels.items()} | {("xlsr", "noisy"): 55}
        random = {"cnn-lstm": 40, "wav2vec2-random": 40}
        return claims.test(SETTINGS, all_counts(levels, few, noisy, random))[0]

    def rows(self, table, claim):
        return table[table["claim"] == claim].set_index("comparison")

    def test_effects_are_the_differences(self, table):
        assert self.rows(table, "C0")["effect"].tolist() == pytest.approx([10, 20, 10, 5])
        assert self.rows(table, "C3")["effect"].tolist() == pytest.approx([10, 0, -5])
        few = self.rows(table, "C4")["effect"]
        assert few["xlsr with 200 examples against 0"] == pytest.approx(20)
        assert few["mms against cnn-lstm, 50 examples"] == pytest.approx(5)
        less = self.rows(table, "C7")["effect"]
        assert less["xlsr against wav2vec2, noisy"] == pytest.approx(15)
        assert less["xlsr loses less than wav2vec2"] == pytest.approx(5)
        assert less["mms loses less than wav2vec2"] == pytest.approx(0)

    def test_verdicts(self, table):
        assert self.rows(table, "C3")["verdict"].tolist() == ["supported", "inconclusive", "contradicted"]
        assert set(self.rows(table, "C1")["verdict"]) == {"supported"}
        assert self.rows(table, "C2")["verdict"].tolist() == ["supported"]
        assert table.groupby("claim")["claim_verdict"].first().to_dict() == {
            "C0": "supported",
            "C1": "supported",
            "C2": "supported",
            "C3": "contradicted",
            "C4": "supported",
            "C5": "contradicted",
            "C6": "supported",
            "C7": "contradicted",
            "C8": "inconclusive",
        }

    def test_number_of_comparisons(self, table):
        assert table.groupby("claim").size().to_dict() == {
            "C0": 4,
            "C1": 3,
            "C2": 1,
            "C3": 3,
            "C4": 5 + 4 * 3,
            "C5": 3 * 3,
            "C6": 4,
            "C7": 6,
            "C8": 5,
        }


class TestStatistics:
    """Statistics against values computed independently."""

    @pytest.mark.parametrize(
        ("low", "high", "differences", "margin", "expected"),
        [
            (0.1, 2, [1, 1, 1, -1], None, "supported"),
            (0.1, 2, [1, 1, -1, -1], None, "inconclusive"),
            (-0.1, 2, [1, 1, 1, 1], None, "inconclusive"),
            (-2, -0.1, [1, -1, -1, -1], None, "contradicted"),
            (-0.9, 0.9, [0, 0], 1.0, "supported"),
            (-0.9, 1.1, [0, 0], 1.0, "inconclusive"),
            (1.1, 3, [2, 2], 1.0, "contradicted"),
            (-3, -1.1, [-2, -2], 1.0, "contradicted"),
        ],
    )
    def test_verdict_rule(self, low, high, differences, margin, expected):
        assert claims.verdict(low, high, np.array(differences), margin) == expected

    @pytest.mark.parametrize("count", [2, 3, 6, 29])
    def test_bootstrap_weights_give_the_variance_of_a_mean(self, count):
        values = np.random.default_rng(count).normal(size=count)
        weights = bootstrap.draw_weights(count, 40_000, np.random.default_rng(1))
        assert weights.sum(axis=1) == pytest.approx(np.ones(40_000))
        assert (weights @ values).var() == pytest.approx(values.var(ddof=1) / count, rel=0.05)

    def test_uar_equals_that_of_the_predictions(self):
        rng = np.random.default_rng(5)
        truth, speaker = rng.choice(EMOTIONS, 200), rng.choice(SPEAKERS, 200)
        predicted = rng.choice(EMOTIONS, 200)
        rows = pd.DataFrame({"speaker": speaker, "emotion": truth, "predicted": predicted})
        counts = rows.groupby(["speaker", "emotion", "predicted"]).size().unstack(fill_value=0).reset_index()
        counts = counts.assign(model="m", source="S", target="T", shots=0, condition="clean", seed=1, role="pool")
        scores = bootstrap.Scores(counts, "all", draws=200)
        as_is, drawn = scores.uar(Arm("m"), "S", "T")
        assert as_is[0] == pytest.approx(metrics.unweighted_average_recall(list(truth), list(predicted)))
        assert drawn.shape == (200, 1)

    def test_bootstrap_is_reproducible(self):
        counts = experiment({"a": 50, "b": 40}, [("EMODB", "EMOVO")])
        terms = ((1, Arm("a")), (-1, Arm("b")))
        first, second = (bootstrap.difference(bootstrap.Scores(counts, "all"), terms, "EMODB", "EMOVO") for _ in "ab")
        assert (first[1] == second[1]).all()


class TestGaps:
    """Missing runs, models and experiments: noted and not counted."""

    def test_unconfigured_experiment_is_not_tested(self):
        table, _ = claims.test(settings_with("table2"), all_counts(LEVELS))
        untested = table[table["verdict"] == "not tested"]
        assert set(untested["claim"]) == {"C2", "C4", "C5", "C6", "C7"}
        assert (untested["note"].str.contains("not configured")).all()
        assert untested[["effect", "low", "high"]].isna().all(axis=None)

    def test_missing_model_is_not_tested(self):
        settings = settings_with("table2")
        settings["experiments"]["table2"] = SETTINGS["experiments"]["table2"] | {"models": ["cnn-lstm", "xlsr", "mms"]}
        table, _ = claims.test(settings, all_counts({m: LEVELS[m] for m in ("cnn-lstm", "xlsr", "mms")}))
        first = table[table["claim"] == "C1"].set_index("comparison")
        assert first["verdict"].to_dict() == {
            "xlsr against cnn-lstm": "supported",
            "whisper against cnn-lstm": "not tested",
            "mms against cnn-lstm": "supported",
        }
        assert first.loc["whisper against cnn-lstm", "note"] == "Table II does not include whisper"
        assert claims.claim_verdict(list(first["verdict"])) == "inconclusive"

    def test_missing_pair_is_left_out(self):
        counts = all_counts(LEVELS)["table2"]
        missing = (counts["model"] == "xlsr") & (counts["source"] == "EMODB") & (counts["target"] == "URDU")
        table, cells = claims.test(settings_with("table2"), {"table2": counts[~missing]})
        row = table[(table["claim"] == "C1")].iloc[0]
        assert (row["cells"], row["note"]) == (11, "no runs of EMODB to URDU")
        own = cells[(cells["claim"] == "C1") & (cells["comparison"] == row["comparison"])]
        assert ("EMODB", "URDU") not in set(zip(own["source"], own["target"], strict=True))

    def test_one_seed_and_one_pair(self):
        settings = settings_with("table2")
        one_pair = {"sources": ["EMODB"], "targets": ["URDU"]}
        settings["experiments"]["table2"] = SETTINGS["experiments"]["table2"] | one_pair
        counts = experiment(LEVELS, [("EMODB", "URDU")], seeds=(1,))
        table, cells = claims.test(settings, {"table2": counts})
        row = table[table["claim"] == "C1"].iloc[0]
        assert (row["cells"], row["seeds"], row["verdict"]) == (1, 1, "inconclusive")
        assert "one seed" in row["note"]
        assert cells["low"].isna().all()

    def test_c8_is_not_tested_on_other_languages(self):
        settings = settings_with("table2") | {"languages": dict.fromkeys(CORPORA, "Persian")}
        table, _ = claims.test(settings, all_counts(LEVELS))
        row = table.set_index("claim").loc["C8"]
        assert (row["verdict"], row["claim_verdict"]) == ("not tested", "not tested")
        assert row["note"] == "no two checkpoints are known to differ in the target languages seen in pre-training"

    def test_single_number_of_shots_has_no_comparison(self):
        figure2 = SETTINGS["experiments"]["figure2"] | {"shots": [0]}
        settings = SETTINGS | {"experiments": SETTINGS["experiments"] | {"figure2": figure2}}
        gains = [one for one in claims.comparisons(settings) if one.title.endswith("with 0 examples against 0")]
        assert {one.obstacle for one in gains} == {"Figure 2 has only one number of examples"}
        assert len(gains) == 5


@pytest.mark.parametrize("design", interval_coverage.DESIGNS)
def test_interval_coverage_is_as_stated(design):
    """Compare with the documented coverage, within the error of 60 simulations."""
    stated = claims.COVERAGE[design.split(" (")[0]] / 100
    share, _ = interval_coverage.coverage(design, seeds=5, simulations=60, draws=500)
    allowed = 3.5 * np.sqrt(stated * (1 - stated) / 60) + 1 / 60
    assert abs(share - stated) <= allowed
