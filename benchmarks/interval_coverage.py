"""How often the claims' 95 % intervals hold the truth, on simulated experiments of the paper's size.

    python benchmarks/interval_coverage.py [--simulations 1000]

Utterances are heard right with a probability that has, on a logit scale, normal effects of the model, of each
repetition (of a source's training, and of it on a target), of each speaker in each emotion, and of how a
training gets on with a speaker. Corpora have the real numbers of speakers and utterances. The truth, of these
corpora's kind of speakers and any repetition, is the mean over many experiments with other speakers and repetitions.
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

# Utterances of every speaker in every emotion: IEMOCAP's and EMODB's as even as their totals allow.
SPEAKERS = {
    "IEMOCAP": np.full((10, 4), (110, 164, 171, 108)),
    "EMODB": np.full((10, 4), (13, 7, 8, 14)),
    "EMOVO": np.full((6, 4), 14),
    "URDU": np.array(list(URDU_SPEAKERS.values())),
}
HELD_OUT = {"EMODB": 3, "EMOVO": 2}  # speakers of a few-shot test set; of URDU a random third of each emotion's
SPREADS = {"training": 0.15, "pair": 0.10, "speaker": 0.6, "meeting": 0.3}  # standard deviations, logits
DESIGNS = {
    "Table II (12 pairs)": ([(s, t) for s in SPEAKERS for t in SPEAKERS if s != t], "all"),
    "Figure 3 (3 targets)": ([("IEMOCAP", t) for t in ("EMODB", "EMOVO", "URDU")], "all"),
    "Figure 2 (3 targets, test speakers)": ([("IEMOCAP", t) for t in ("EMODB", "EMOVO", "URDU")], "test"),
}
ARMS = (Arm("first"), Arm("second"))
LOGITS = {"first": 0.1, "second": 0.0}


def experiment(pairs, test_set: str, repetitions: int, rng: np.random.Generator, logits=LOGITS) -> pd.DataFrame:
    """Counts as of `confusions.csv`, of two models on some pairs."""
    shape = {target: counts.shape for target, counts in SPEAKERS.items()}
    of_speakers = {target: rng.normal(0, SPREADS["speaker"], shape[target]) for target in shape}
    met = {(m, t): rng.normal(0, SPREADS["meeting"], shape[t]) for m in logits for t in shape}
    held_out = {(t, k): held_out_of(t, test_set, rng) for _, t in pairs for k in range(repetitions)}
    rows = []
    for model, logit in logits.items():
        of_training = {(s, k): rng.normal(0, SPREADS["training"]) for s in SPEAKERS for k in range(repetitions)}
        for source, target in pairs:
            for k in range(repetitions):
                level = logit + of_training[source, k] + rng.normal(0, SPREADS["pair"])
                chance = 1 / (1 + np.exp(-(level + of_speakers[target] + met[model, target])))
                total = SPEAKERS[target] * held_out[target, k][:, None]
                right = rng.binomial(total, chance)
                rows.extend(rows_of(model, source, target, k + 1, total, right))
    return pd.DataFrame(rows, columns=["model", "source", "target", "seed", "speaker", "emotion", *EMOTIONS]).assign(
        shots=0, condition="clean", role="test"
    )


def held_out_of(target: str, test_set: str, rng) -> np.ndarray:
    """Which speakers test a repetition."""
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


def rows_of(model, source, target, seed, total, right):
    """One row a speaker and emotion; what is not heard right is heard as the next emotion."""
    for speaker, emotion in zip(*np.nonzero(total), strict=True):
        heard = [0, 0, 0, 0]
        heard[emotion] = right[speaker, emotion]
        heard[(emotion + 1) % 4] += total[speaker, emotion] - right[speaker, emotion]
        yield (model, source, target, seed, f"{speaker:02d}", EMOTIONS[emotion], *heard)


def interval(counts: pd.DataFrame, pairs, test_set: str, draws: int) -> tuple[float, float, float]:
    """Effect and its 95 % interval, as the claims have them."""
    scores = Scores(counts, test_set, draws)
    found = {pair: difference(scores, ((1, ARMS[0]), (-1, ARMS[1])), *pair) for pair in pairs}
    effect = float(np.mean([as_is.mean() for as_is, _ in found.values()]))
    low, high = np.nanpercentile(contrast({pair: drawn for pair, (_, drawn) in found.items()}, None), [2.5, 97.5])
    return effect, low, high


def coverage(design: str, repetitions: int, simulations: int, draws: int = 1000) -> tuple[float, float]:
    """Share of intervals that hold the mean effect, and their mean width in UAR points."""
    pairs, test_set = DESIGNS[design]
    found = np.array(
        [
            interval(experiment(pairs, test_set, repetitions, np.random.default_rng(i)), pairs, test_set, draws)
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
    print("| design | repetitions | intervals that hold the truth | mean width, UAR points |\n|---|---:|---:|---:|")
    for design in DESIGNS:
        for repetitions in (5, 2):
            share, width = coverage(design, repetitions, options.simulations)
            print(f"| {design} | {repetitions} | {100 * share:.1f} % | {width:.1f} |", flush=True)


if __name__ == "__main__":
    main()
