"""Claims, confidence intervals and verdicts on made-up predictions."""

import itertools
import re
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from scipy import stats

sys.path.insert(0, str(ROOT / "benchmarks"))

import claims_simulation

from ser.core import metrics
from ser.core.constants import EMOTIONS
from ser.core.paths import RunId
from ser.evaluation import bootstrap, claims
from ser.evaluation.bootstrap import Bootstrap, Estimate
from ser.evaluation.claim_comparisons import STATEMENTS, comparisons
from ser.evaluation.contrasts import Cell, mean, uar
from ser.figures import claims as drawn

CORPORA = {"EMODB": "German", "EMOVO": "Italian", "URDU": "Urdu", "IEMOCAP": "English"}
FOUNDATION = ["wav2vec2", "xlsr", "whisper", "mms"]
CHECKPOINTS = {
    "wav2vec2": "facebook/wav2vec2-base",
    "xlsr": "facebook/wav2vec2-large-xlsr-53",
    "whisper": "openai/whisper-medium",
    "mms": "facebook/mms-300m",
}
PAIRS = [pair for pair in itertools.product(CORPORA, repeat=2) if len({*pair}) == 2]
TRIPLES = [("IEMOCAP", target) for target in ("EMODB", "EMOVO", "URDU")]
SETTINGS = {
    "roles": {
        "baseline": "cnn-lstm",
        "random": "wav2vec2-random",
        "pretrained": "wav2vec2-full",
        "english": "wav2vec2",
        "multilingual": ["xlsr", "whisper", "mms"],
    },
    **{name: name for name in ("table2", "figure2", "figure3")},
    "titles": {},
    "models": {name: {"checkpoint": checkpoint} for name, checkpoint in CHECKPOINTS.items()},
    "languages": CORPORA,
    "experiments": {
        "table2": {"models": ["cnn-lstm", *FOUNDATION], "pairs": PAIRS},
        "figure2": {"models": ["cnn-lstm", *FOUNDATION], "pairs": TRIPLES, "shots": [0, 50, 200]},
        "figure3": {"models": ["cnn-lstm", *FOUNDATION], "pairs": TRIPLES, "condition": "noisy"},
        "random_init": {"models": ["cnn-lstm", "wav2vec2-random", "wav2vec2-full"], "pairs": PAIRS},
    },
}
LEVELS = {"cnn-lstm": 40, "wav2vec2": 50, "xlsr": 60, "whisper": 62, "mms": 58}
SPEAKERS = ("03", "08", "09", "10")
RUN = ["model", "source", "target", "shots", "seed"]


def counts_of(percent, speakers=SPEAKERS, **identity):
    """Yield counts of one seed, with recall `percent` for each speaker and emotion."""
    fixed = {"source": "EMODB", "target": "EMOVO", "shots": 0, "condition": "clean", "seed": 1, "role": "test"}
    for speaker in speakers:
        for i, emotion in enumerate(EMOTIONS):
            counts = dict.fromkeys(EMOTIONS, 0) | {emotion: percent}
            counts[EMOTIONS[i - 1]] = 100 - percent
            yield fixed | identity | {"speaker": speaker, "emotion": emotion} | counts


def experiment(levels, cells, seeds=(1, 2, 3, 4, 5), **identity):
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
    found = {"table2": experiment(table2, PAIRS)}
    if figure2:
        few = [experiment({m: level}, TRIPLES, shots=shots) for (m, shots), level in figure2.items()]
        found["figure2"] = pd.concat(few, ignore_index=True)
    if figure3:
        noisy = [experiment({m: level}, TRIPLES, condition=c) for (m, c), level in figure3.items()]
        found["figure3"] = pd.concat(noisy, ignore_index=True)
    if random_init:
        found["random_init"] = experiment(random_init, PAIRS)
    return found


def converged_scores(counts):
    """Return score rows of runs that all converged."""
    runs = counts[RUN].drop_duplicates()
    return runs.assign(test_set="test", converged=1)


def table_of(settings, counts, draws=200, **unconverged):
    """Return the table of claims; `unconverged` are shares of unconverged runs by model."""
    scores = {name: converged_scores(frame) for name, frame in counts.items()}
    for frame in scores.values():
        for model, share in unconverged.items():
            own = frame[frame["model"] == model.replace("_", "-")]
            runs = [RunId.of(*row) for row in own[RUN].itertuples(index=False)]
            kept = list(dict.fromkeys(runs))
            chosen = kept[: int(share * len(kept))]
            frame.loc[own.index[[run in chosen for run in runs]], "converged"] = 0
    return claims.test(settings, counts, scores, draws=draws)[0]


def verdicts_of(table):
    """Return claim -> verdict."""
    return table.groupby("claim")["claim_verdict"].first().to_dict()


def settings_with(*names):
    """Return settings with only the named experiments."""
    return SETTINGS | {"experiments": {n: e if n in names else None for n, e in SETTINGS["experiments"].items()}}


@pytest.fixture(scope="module")
def counts():
    """Return counts with known effects."""
    levels = {"cnn-lstm": 40, "wav2vec2": 60, "xlsr": 50, "whisper": 55, "mms": 45}
    # the baseline loses by examples
    few = {(m, s): level + s / 10 * (-1 if m == "cnn-lstm" else 1) for m, level in levels.items() for s in (0, 50, 200)}
    noisy = {(m, "clean"): level for m, level in levels.items()}
    noisy |= {(m, "noisy"): level - (16 if m == "cnn-lstm" else 10) for m, level in levels.items()}
    return all_counts(levels, few, noisy, {"cnn-lstm": 40, "wav2vec2-random": 41, "wav2vec2-full": 50})


class TestVerdicts:
    """Verdicts on known effects."""

    @pytest.fixture(scope="class")
    @classmethod
    def table(cls, counts):
        return table_of(SETTINGS, counts)

    def test_primary_effects_are_means_over_models_and_sizes_above_0(self, table):
        primary = table[table["primary"]].groupby("claim")["effect"].apply(list).to_dict()
        assert primary == {
            "C0": [pytest.approx(12.5)],
            "C1": [pytest.approx(10)],
            "C3": [pytest.approx(-10)],
            "C4": [pytest.approx(12.5), pytest.approx(12.5 + 2 * 12.5)],
            "C5": [pytest.approx(-10)],
            "C6": [pytest.approx(18.5), pytest.approx(6)],
            "C7": [pytest.approx(-10), pytest.approx(0)],
            "C9": [pytest.approx(9)],
        }

    def test_markdown(self, table):
        lines = drawn.markdown(table, ["synthetic"]).splitlines()
        assert "**synthetic**" in lines
        assert f"| C1 | **supported** | {STATEMENTS['C1']} |" in lines
        assert f"| C2 | **no verdict**: {claims.DESCRIPTIVE['C2']} | {STATEMENTS['C2']} |" in lines
        limits = r"\| [+-][\d.]+ to [+-][\d.]+ \|"
        (row,) = [line for line in lines if line.startswith("| C9 | wav2vec2-full against")]
        assert re.search(rf"\| \+9\.0 {limits} 12 of 12 \| supported \(p < 0\.001\) \| random initialisation \|$", row)

    def test_effects_of_other_comparisons(self, table):
        other = table[~table["primary"]].set_index(["claim", "comparison"])["effect"]
        assert other["C4", "cnn-lstm, with examples against 0"] == pytest.approx(-12.5)
        assert other["C4", "mean of models against cnn-lstm, 50 examples"] == pytest.approx(22.5)
        assert other["C4", "gain with examples: mean of models minus cnn-lstm"] == pytest.approx(25)
        assert other["C7", "points lost by wav2vec2 minus xlsr"] == pytest.approx(0)
        assert other["C2", "wav2vec2-random against cnn-lstm"] == pytest.approx(1)
        row = table.set_index("claim").loc["C2"]
        assert row["smallest_margin"] == pytest.approx(1)
        assert np.isnan(row["agreeing"])

    def test_verdicts(self, table):
        assert verdicts_of(table) == {
            "C0": "supported",
            "C1": "supported",
            "C2": "no verdict",
            "C3": "contradicted",
            "C4": "supported",
            "C5": "contradicted",
            "C6": "supported",
            "C7": "contradicted",
            "C8": "no verdict",
            "C9": "supported",
        }

    def test_less_than_five_seeds_give_no_verdict(self, counts):
        few = {name: frame[frame["seed"] < 5] for name, frame in counts.items()}
        table = table_of(SETTINGS, few)
        assert set(verdicts_of(table).values()) == {"no verdict"}
        assert table.set_index("claim").loc["C3", "reason"].iloc[0] == "4 seeds"
        assert table.loc[table["primary"], "low"].notna().all()

    @pytest.mark.parametrize(("share", "refused"), [(0.05, set()), (0.2, {"C0", "C1", "C4", "C6"})])
    def test_models_that_did_not_converge_give_no_verdict(self, counts, share, refused):
        table = table_of(SETTINGS, counts, cnn_lstm=share)
        assert {c for c, v in verdicts_of(table).items() if v == "no verdict"} == {*claims.DESCRIPTIVE, *refused}
        assert not refused or table["reason"][0] == "too few runs converged: cnn-lstm 80 %"

    def test_a_run_that_serves_several_targets_counts_once(self):
        """One run without examples for three targets, which converged, and one with examples, which did not."""
        zero_shot = [("m", "S", target, 0, 1, 1) for target in "ABC"]
        scores = pd.DataFrame([*zero_shot, ("m", "S", "A", 50, 1, 0)], columns=[*RUN, "converged"])
        assert claims._converged(scores)["m"] == 0.5

    def test_converged_experiments_replace_the_printed_recipe(self, counts):
        names = {name: f"{name}_converged" for name in ("table2", "figure2", "figure3")}
        experiments, converged = (
            {names.get(name, name): value for name, value in values.items()}
            for values in (SETTINGS["experiments"], counts)
        )
        printed, table = (
            table_of(SETTINGS, counts),
            table_of(SETTINGS | names | {"experiments": experiments}, converged),
        )
        on = [name if name == "random initialisation" else f"{name} (converged)" for name in printed["rests_on"]]
        pd.testing.assert_frame_equal(table, printed.assign(rests_on=on))


class TestStatistics:
    """Statistics against values computed independently."""

    @pytest.mark.parametrize(
        ("effect", "p", "expected"),
        [(1, 0.04, "supported"), (1, 0.06, "inconclusive"), (-1, 0.06, "inconclusive"), (-1, 0.04, "contradicted")],
    )
    def test_verdict_rule(self, effect, p, expected):
        assert claims.verdict(effect, p) == expected

    def test_contrasts_have_no_cells_that_cancel_out(self):
        first, second = uar("a", "S", "T"), uar("b", "S", "T", shots=50)
        assert (mean([first, second]) - 0.5 * second).coefficients == {Cell("a", "S", "T"): 0.5}

    @pytest.mark.parametrize("count", [2, 3, 6, 29])
    def test_bootstrap_weights_give_the_variance_of_a_mean(self, count):
        generator = np.random.default_rng(count)
        values = generator.normal(size=count)
        weights = bootstrap.weights(generator.random((20_000, count)))
        assert weights.sum(axis=1) == pytest.approx(np.ones(20_000))
        assert (weights @ values).var() == pytest.approx(values.var(ddof=1) / count, rel=0.05)

    def test_emotion_of_few_speakers_varies_as_the_mean_of_that_few(self):
        """Four of 29 speakers have the emotion."""
        percent = [30, 50, 60, 80]
        rows = list(counts_of(0, speakers=[f"s{i}" for i in range(29)]))
        rows = [row for row in rows if row["emotion"] == "sad" or row["speaker"] in ("s0", "s1", "s2", "s3")]
        for row in rows:
            if row["emotion"] == "angry":
                value = percent[int(row["speaker"][1:])]
                row.update(angry=value, sad=100 - value)
        scores = Bootstrap(pd.DataFrame(rows).assign(model="m"), "all")
        estimate = scores.estimate(uar("m", "EMODB", "EMOVO"))
        assert estimate.draws.std() == pytest.approx(np.std(percent, ddof=1) / np.sqrt(4) / 4, rel=0.03)

    def test_uar_equals_that_of_the_predictions(self):
        rng = np.random.default_rng(5)
        truth, speaker = rng.choice(EMOTIONS, 200), rng.choice(SPEAKERS, 200)
        predicted = rng.choice(EMOTIONS, 200)
        rows = pd.DataFrame({"speaker": speaker, "emotion": truth, "predicted": predicted})
        counts = rows.groupby(["speaker", "emotion", "predicted"]).size().unstack(fill_value=0).reset_index()
        counts = counts.assign(model="m", source="S", target="T", shots=0, condition="clean", seed=1, role="pool")
        as_is, drawn = Bootstrap(counts, "all", draws=200).uar(Cell("m", "S", "T"))
        assert as_is[0] == pytest.approx(metrics.unweighted_average_recall(list(truth), list(predicted)))
        assert drawn.shape == (200, 1)

    def test_one_seed_and_one_target_agree_with_a_plain_speaker_bootstrap(self):
        """Draw speakers with replacement; the expanded interval is wider by a known factor."""
        count, rng = 25, np.random.default_rng(3)
        percent = rng.integers(20, 80, (count, 4))
        rows = [row | {"seed": 1, "model": "m"} for row in counts_of(0, speakers=[f"{i:02d}" for i in range(count)])]
        for row in rows:
            e = EMOTIONS.index(row["emotion"])
            value = int(percent[int(row["speaker"]), e])
            row.update(dict.fromkeys(EMOTIONS, 0) | {EMOTIONS[e]: value, EMOTIONS[e - 1]: 100 - value})
        estimate = Bootstrap(pd.DataFrame(rows), "all").estimate(uar("m", "EMODB", "EMOVO"))
        low, high = bootstrap.interval(estimate)
        plain = percent[rng.integers(count, size=(20_000, count))].mean(axis=(1, 2))
        expected = np.quantile(plain, [0.025, 0.975]) - percent.mean()
        wider = np.sqrt(count / (count - 1)) * stats.t.ppf(0.975, count - 1) / stats.norm.ppf(0.975)
        assert estimate.freedom == pytest.approx(count - 1)
        assert [low - percent.mean(), high - percent.mean()] == pytest.approx(expected * wider, rel=0.04)

    def test_degrees_of_freedom_are_satterthwaites(self):
        """Seeds and speakers of equal variance: those of both, since 1/4 of each is 1/2 of their harmonic mean."""
        rows = []
        for seed, shift in enumerate((-6, -3, 0, 3, 6)):
            for speaker in range(5):
                percent = 50 + shift + (-6, -3, 0, 3, 6)[speaker]
                rows += counts_of(percent, model="m", seed=seed, speakers=[f"{speaker}"])
        estimate = Bootstrap(pd.DataFrame(rows), "all").estimate(uar("m", "EMODB", "EMOVO"))
        assert estimate.freedom == pytest.approx(8, abs=0.05)

    def test_p_values_are_corrected_by_holms_method(self):
        """Single p values 0.01, 0.04, 0.03, 0.005: Holm's are 0.03, 0.06, 0.06, 0.02."""
        draws = np.array([-1.0, 1.0])  # standard deviation 1
        single = stats.t.isf(np.array([0.01, 0.04, 0.03, 0.005]) / 2, 7)
        estimates = [Estimate(sign * t, draws, 7.0, 5) for sign, t in zip((1, -1, 1, -1), single, strict=True)]
        assert bootstrap.corrected_p_values(estimates) == pytest.approx([0.03, 0.06, 0.06, 0.02])

    def test_bootstrap_is_reproducible_and_equal_in_all_experiments(self):
        counts = experiment({"a": 50, "b": 40}, [("EMODB", "EMOVO")])
        counts.loc[counts["speaker"] == "03", list(EMOTIONS)] = 1
        few, both = Bootstrap(counts[counts["model"] == "a"], "all"), Bootstrap(counts, "all")
        first, second = (one.estimate(uar("a", "EMODB", "EMOVO")).draws for one in (few, both))
        assert (first == second).all()


class TestGaps:
    """Missing models and experiments: noted and not counted."""

    def test_unconfigured_experiment_is_not_tested(self):
        table = table_of(settings_with("table2"), all_counts(LEVELS))
        untested = table[table["claim_verdict"] == "not tested"]
        assert set(untested["claim"]) == {"C2", "C4", "C5", "C6", "C7", "C9"}
        assert (untested["reason"].str.contains("not configured")).all()
        assert untested[["effect", "low", "high"]].isna().all(axis=None)

    def test_missing_model_leaves_the_claim_untested_but_others_described(self):
        settings = settings_with("table2")
        settings["experiments"]["table2"] = SETTINGS["experiments"]["table2"] | {"models": ["cnn-lstm", "xlsr", "mms"]}
        table = table_of(settings, all_counts({m: LEVELS[m] for m in ("cnn-lstm", "xlsr", "mms")}))
        first = table[table["claim"] == "C1"].set_index("comparison")
        assert set(first["claim_verdict"]) == {"not tested"}
        assert set(first["reason"]) == {"Table II does not include whisper"}
        assert first["effect"].notna().to_dict() == {
            "mean of xlsr, whisper, mms against cnn-lstm": False,
            "xlsr against cnn-lstm": True,
            "whisper against cnn-lstm": False,
            "mms against cnn-lstm": True,
        }

    def test_claims_on_foundation_models_need_no_english_one(self):
        levels = {model: level for model, level in LEVELS.items() if model != "wav2vec2"}
        noisy = {(model, condition): level for model, level in levels.items() for condition in ("clean", "noisy")}
        settings = settings_with("table2", "figure3")
        settings["models"] = {name: entry for name, entry in SETTINGS["models"].items() if name in levels}
        for name in ("table2", "figure3"):
            settings["experiments"][name] = SETTINGS["experiments"][name] | {"models": [*levels]}
        table = table_of(settings, all_counts(levels, figure3=noisy)).drop_duplicates("claim").set_index("claim")
        assert "mean of xlsr, whisper, mms against cnn-lstm" in table.loc["C6", "comparison"]
        assert table.loc["C6", "effect"] == pytest.approx(20, abs=0.1)
        assert table.loc[["C0", "C3", "C7"], "claim_verdict"].unique().tolist() == ["not tested"]

    def test_pairs_in_one_language_are_left_out(self):
        settings = settings_with("table2")
        table2 = settings["experiments"]["table2"]
        settings["experiments"]["table2"] = table2 | {"pairs": PAIRS[2:]}
        table = table_of(settings, all_counts(LEVELS)).set_index("claim")
        assert set(table.loc["C1", "cells"]) == {len(PAIRS) - 2}
        settings["experiments"]["table2"] = table2 | {"pairs": []}
        table = table_of(settings, all_counts(LEVELS)).set_index("claim")
        assert set(table.loc["C1", "reason"]) == {"Table II has no source and target in two languages"}

    def test_c8_is_not_tested_on_other_languages(self):
        settings = settings_with("table2") | {"languages": {corpus: f"Unknown {corpus}" for corpus in CORPORA}}
        row = table_of(settings, all_counts(LEVELS)).set_index("claim").loc["C8"]
        assert row["claim_verdict"] == "not tested"
        assert row["reason"] == "no two checkpoints are known to differ in the target languages seen in pre-training"

    @pytest.mark.parametrize(
        ("pretrained", "obstacle"),
        [
            ({"weights": "pretrained", "tuning": {"method": "full"}}, None),
            ({"weights": "pretrained", "tuning": {"method": "lora"}}, "the two models differ in tuning, not in"),
        ],
    )
    def test_effect_of_pretraining_requires_the_same_method(self, pretrained, obstacle):
        random = {"weights": "random", "tuning": {"method": "full"}}
        models = SETTINGS["models"] | {"wav2vec2-random": random, "wav2vec2-full": pretrained}
        (c9,) = [one for one in comparisons(SETTINGS | {"models": models}) if one.claim == "C9"]
        assert c9.obstacle is None if obstacle is None else c9.obstacle.startswith(obstacle)

    @staticmethod
    def few_shot(shots, **roles):
        """Return the comparisons of C4 and C5 with some numbers of examples."""
        figure2 = SETTINGS["experiments"]["figure2"] | {"shots": shots}
        edits = {"experiments": SETTINGS["experiments"] | {"figure2": figure2}, "roles": SETTINGS["roles"] | roles}
        return [one for one in comparisons(SETTINGS | edits) if one.claim in ("C4", "C5")]

    def test_without_examples_there_is_no_comparison(self):
        assert [one.obstacle for one in self.few_shot([0])] == ["Figure 2 has no examples of the target"] * 2

    def test_without_scores_without_examples_only_gains_are_not_tested(self):
        found = self.few_shot([50, 200])
        untested = {one.title for one in found if one.obstacle == "Figure 2 has no scores without examples"}
        gains = {one.title for one in found if re.search("gain with examples|with examples against 0", one.title)}
        assert untested == gains
        c5 = next(one for one in found if one.claim == "C5" and one.primary)
        assert {cell.shots for cell in c5.contrast.coefficients} == {50, 200}

    def test_claim_with_one_contrast_untested_is_not_tested(self):
        rows = pd.DataFrame(
            {
                "primary": True,
                "effect": [np.nan, 9.0],
                "verdict": ["", "contradicted"],
                "note": ["Figure 2 has no scores without examples", ""],
            }
        )
        assert claims.claim_verdict("C4", rows) == ("not tested", "Figure 2 has no scores without examples")

    def test_claim_without_primary_contrast_is_not_tested(self):
        rows = pd.DataFrame({"primary": [False], "effect": [9.0], "verdict": [""], "note": [""]})
        assert claims.claim_verdict("C4", rows) == ("not tested", "the models of this claim are not configured")

    def test_without_multilingual_models_c5_is_not_tested(self):
        c5 = [one for one in self.few_shot([0, 50], multilingual=[]) if one.claim == "C5"]
        assert [one.obstacle for one in c5] == ["the models of this claim are not configured"]


STATED = re.compile(r"^\| (difference, .+?) \| 5 \| ([\d.]+) % \| [\d.]+ \|$", re.MULTILINE)


def test_coverage_is_as_documented():
    """Compare with the documented coverage, within the error of 40 simulations."""
    design = "difference, Figure 3 (3 targets)"
    page = (ROOT / "docs" / "reference" / "statistics.md").read_text(encoding="utf-8")
    stated = float(dict(STATED.findall(page))[design]) / 100
    share, _ = claims_simulation.coverage(design, seeds=5, simulations=40, draws=500)
    allowed = 3.5 * np.sqrt(stated * (1 - stated) / 40) + 1 / 40
    assert abs(share - stated) <= allowed


def test_power_is_simulated_with_the_claims_own_rule():
    """The paper's means differ by 5 points: at most two standard errors are between effect and truth."""
    found = claims_simulation.power("paper's means", simulations=1, draws=100)
    effects = found.set_index("claim")["effect"]
    assert effects["C1"] == pytest.approx(5.4, abs=4)
    assert {*found["claim"]} == STATEMENTS.keys() - {"C8"}
    assert (found["verdict"] == [claims.verdict(*row) for row in found[["effect", "p"]].to_numpy()]).all()
