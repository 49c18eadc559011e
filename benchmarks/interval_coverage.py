"""Coverage of the claims' 95 % confidence intervals on simulated experiments.

    python benchmarks/interval_coverage.py [--simulations 1000]

Experiments have the paper's size, and corpora their real numbers of speakers and utterances. The logit of a correct
prediction is a model's level plus normal effects: of each training run and of its pair with a target, of each speaker
in each emotion, and of their interaction with the model. The true effect is the mean over many experiments with other
speakers and seeds.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from ser.core.constants import EMOTIONS  # noqa: E402
from ser.demo.layouts import URDU_SPEAKERS  # noqa: E402
from ser.evaluation.bootstrap import Arm, Scores, contrast, difference  # noqa: E402

# Utterances per speaker and emotion; for IEMOCAP and EMODB as even as their totals allow.
SPEAKERS = {
    "IEMOCAP": np.full((10, 4), (110, 164, 171, 108)),
    "EMODB": np.full((10, 4), (13, 7, 8, 14)),
    "EMOVO": np.full((6, 4), 14),
    "URDU": np.array(list(URDU_SPEAKERS.values())),
}
HELD_OUT = {"EMODB": 3, "EMOVO": 2}  # number of test speakers; for URDU a random third
SPREADS = {"training": 0.15, "pair": 0.10, "speaker": 0.6, "interaction": 0.3}  # standard deviations, logits
DESIGNS = {
    "Table II (12 pairs)": ([(s, t) for s in SPEAKERS for t in SPEAKERS if s != t], "all"),
    "Figure 3 (3 targets)": ([("IEMOCAP", t) for t in ("EMODB", "EMOVO", "URDU")], "all"),
    "Figure 2 (3 targets, test speakers)": ([("IEMOCAP", t) for t in ("EMODB", "EMOVO", "URDU")], "test"),
}
ARMS = (Arm("first"), Arm("second"))
LOGITS = {"first": 0.1, "second": 0.0}


def experiment(pairs, test_set: str, seeds: int, rng: np.random.Generator, logits=LOGITS) -> pd.DataFrame:
    """Return counts as in `confusions.csv`, of two models on some pairs."""
    shape = {target: counts.shape for target, counts in SPEAKERS.items()}
    speaker_effects = {target: rng.normal(0, SPREADS["speaker"], shape[target]) for target in shape}
    interactions = {(m, t): rng.normal(0, SPREADS["interaction"], shape[t]) for m in logits for t in shape}
    test_speakers = {(t, k): draw_test_speakers(t, test_set, rng) for _, t in pairs for k in range(seeds)}
    rows = []
    for model, logit in logits.items():
        training_effects = {(s, k): rng.normal(0, SPREADS["training"]) for s in SPEAKERS for k in range(seeds)}
        for source, target in pairs:
            for k in range(seeds):
                level = logit + training_effects[source, k] + rng.normal(0, SPREADS["pair"])
                probability = 1 / (1 + np.exp(-(level + speaker_effects[target] + interactions[model, target])))
                total = SPEAKERS[target] * test_speakers[target, k][:, None]
                correct = rng.binomial(total, probability)
                rows.extend(count_rows(model, source, target, k + 1, total, correct))
    return pd.DataFrame(rows, columns=["model", "source", "target", "seed", "speaker", "emotion", *EMOTIONS]).assign(
        shots=0, condition="clean", role="test"
    )


def draw_test_speakers(target: str, test_set: str, rng) -> np.ndarray:
    """Return the test speakers of one seed as a mask."""
    counts = SPEAKERS[target]
    if test_set == "all":
        return np.ones(len(counts), bool)
    if target in HELD_OUT:
        chosen = rng.permutation(len(counts))[: HELD_OUT[target]]
    else:
        while True:
            chosen = np.flatnonzero(rng.random(len(counts)) < 1 / 3)
            if (counts[chosen].sum(axis=0) > 0).all():
                break
    return np.isin(np.arange(len(counts)), chosen)


def count_rows(model, source, target, seed, total, correct):
    """Yield a row per speaker and emotion; errors are predicted as the next emotion."""
    for speaker, emotion in zip(*np.nonzero(total), strict=True):
        predicted = [0, 0, 0, 0]
        predicted[emotion] = correct[speaker, emotion]
        predicted[(emotion + 1) % 4] += total[speaker, emotion] - correct[speaker, emotion]
        yield (model, source, target, seed, f"{speaker:02d}", EMOTIONS[emotion], *predicted)


def interval(counts: pd.DataFrame, pairs, test_set: str, draws: int) -> tuple[float, float, float]:
    """Return an effect and its 95 % interval, computed as for the claims."""
    scores = Scores(counts, test_set, draws)
    found = {pair: difference(scores, ((1, ARMS[0]), (-1, ARMS[1])), *pair) for pair in pairs}
    effect = float(np.mean([as_is.mean() for as_is, _ in found.values()]))
    low, high = np.nanpercentile(contrast({pair: drawn for pair, (_, drawn) in found.items()}, None), [2.5, 97.5])
    return effect, low, high


def coverage(design: str, seeds: int, simulations: int, draws: int = 1000) -> tuple[float, float]:
    """Return the coverage of the mean effect, and the mean width in UAR points."""
    pairs, test_set = DESIGNS[design]
    found = np.array(
        [
            interval(experiment(pairs, test_set, seeds, np.random.default_rng(i)), pairs, test_set, draws)
            for i in range(simulations)
        ]
    )
    truth = found[:, 0].mean()
    held = (found[:, 1] <= truth) & (truth <= found[:, 2])
    return float(held.mean()), float((found[:, 2] - found[:, 1]).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=1000)
    options = parser.parse_args()
    print("| design | seeds | intervals that contain the true value | mean width, UAR points |\n|---|---:|---:|---:|")
    for design in DESIGNS:
        for seeds in (5, 2):
            share, width = coverage(design, seeds, options.simulations)
            print(f"| {design} | {seeds} | {100 * share:.1f} % | {width:.1f} |", flush=True)


if __name__ == "__main__":
    main()
