"""Contrasts on real speech that the pages of docs/real-speech quote and no table of the workflow has.

Usage: python benchmarks/contrasts.py [docs/real-speech]

Reads the folder's published scores, writes its contrasts.csv: each row is a weighted sum of UARs with its 95 %
confidence interval, computed as those of the tables (docs/reference/statistics.md).
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from ser.core.paths import ADAPTED
from ser.evaluation import confusions
from ser.evaluation.bootstrap import Bootstrap, interval
from ser.evaluation.contrasts import Contrast, mean, uar
from ser.evaluation.gaps import BEST
from ser.figures import style

SVM, CNN_LSTM, LORA, LORA_3 = "egemaps", "cnn-lstm-converged", "whisper-converged", "whisper-layer-3-converged"
LAST, LAYER_3 = "whisper-frozen-converged", "whisper-layer-3"
MODELS = (SVM, CNN_LSTM, LAST, LORA, LAYER_3)
CORPORA = ("RAVDESS", "EMODB", "EMOVO", "URDU")
TARGETS = CORPORA[1:]  # of few-shot examples, from RAVDESS
PAIRS = [(source, target) for source in CORPORA for target in CORPORA if source != target]


def on_all_speakers() -> Iterator[tuple[str, Contrast]]:
    """Yield contrasts of UARs on all speakers of the targets."""

    def over(pairs, first, second):
        return mean(uar(first, *pair) - uar(second, *pair) for pair in pairs)

    for source in CORPORA:
        own = [pair for pair in PAIRS if pair[0] == source]
        yield f"layer 3 frozen minus LoRA, from {source}", over(own, LAYER_3, LORA)
        yield f"layer 3 LoRA minus frozen, from {source}", over(own, LORA_3, LAYER_3)
    yield "layer 3 frozen minus LoRA, not from EMOVO", over([p for p in PAIRS if p[0] != "EMOVO"], LAYER_3, LORA)
    yield "layer 3 frozen minus LoRA, without EMOVO", over([p for p in PAIRS if "EMOVO" not in p], LAYER_3, LORA)
    last_30s, layer_3_30s = "whisper-frozen-30s", "whisper-layer-3-30s"
    yield "LoRA minus the last layer with 30 s, frozen", over(PAIRS, LORA, last_30s)
    lead, lead_30s = over(PAIRS, LAYER_3, LAST), over(PAIRS, layer_3_30s, last_30s)
    yield "lead of layer 3 minus the same with 30 s", lead - lead_30s
    yield "mean of layers minus LoRA", over(PAIRS, "whisper-mean", LORA)
    for converged, printed in ((CNN_LSTM, "cnn-lstm"), (LAST, "whisper-frozen"), (LORA, "whisper")):
        yield f"{converged} minus five epochs", over(PAIRS, converged, printed)
    yield "LoRA minus CNN-LSTM, both five epochs", over(PAIRS, "whisper", "cnn-lstm")
    yield "LoRA minus egemaps, five epochs", over(PAIRS, "whisper", SVM)
    for name, own in (("with", [p for p in PAIRS if "URDU" in p]), ("without", [p for p in PAIRS if "URDU" not in p])):
        yield f"LoRA minus egemaps on the six pairs {name} URDU", over(own, LORA, SVM)
    for model in (SVM, CNN_LSTM, LAST, LAYER_3):
        for source, target in PAIRS:
            others = uar(model, f"all-but-{target}", target) - uar(model, source, target)
            yield f"{model}: all other languages minus {source} on {target}", others


def adapted() -> Iterator[tuple[str, Contrast]]:
    """Yield what adaptation changes, and a contrast after it."""
    for model in MODELS:
        changes = (uar(model, *pair, condition=ADAPTED) - uar(model, *pair) for pair in PAIRS)
        yield f"{model}: adapted minus not", mean(changes)
    own, lora = (mean(uar(model, *pair, condition=ADAPTED) for pair in PAIRS) for model in (LAYER_3, LORA))
    yield "layer 3 frozen minus LoRA, both adapted", own - lora


def in_noise() -> Iterator[tuple[str, Contrast]]:
    """Yield what noise changes."""
    for model in MODELS:
        pairs = [("RAVDESS", target) for target in TARGETS]
        changes = (uar(model, *pair, condition="noisy") - uar(model, *pair) for pair in pairs)
        yield f"{model}: noisy minus clean", mean(changes)


def in_noise_after_five_epochs() -> Iterator[tuple[str, Contrast]]:
    """Yield what noise changes for models trained with the paper's recipe, and their contrasts in noise."""
    pairs = [("RAVDESS", target) for target in TARGETS]
    noisy, changes = {}, {}
    for model in ("cnn-lstm", "whisper-frozen", "whisper"):
        noisy[model] = mean(uar(model, *pair, condition="noisy") for pair in pairs)
        changes[model] = noisy[model] - mean(uar(model, *pair) for pair in pairs)
        yield f"{model}: noisy minus clean", changes[model]
    yield "whisper minus cnn-lstm, noisy", noisy["whisper"] - noisy["cnn-lstm"]
    yield "points lost by cnn-lstm minus whisper", changes["whisper"] - changes["cnn-lstm"]


def on_test_speakers(best: dict[tuple[str, str], str]) -> Iterator[tuple[str, Contrast]]:
    """Yield contrasts of UARs on test speakers.

    Args:
        best: model and target -> the best single source.
    """

    def within(model, target):
        return uar(model, target, target)

    def gap(model, targets):
        return mean(within(model, t) - uar(model, best[model, t], t) for t in targets)

    def few(model, shots, targets=TARGETS):
        return mean(uar(model, "RAVDESS", target, shots) for target in targets)

    def alone(model, shots, targets=TARGETS):
        return mean(uar(model, target, target, shots) for target in targets)

    def gap_to_mean(model, targets):
        return mean(within(model, target) - uar(model, source, target) for source, target in PAIRS if target in targets)

    for targets in (CORPORA[:3], CORPORA):
        names = " and ".join(targets)
        yield from ((f"{model}: gap to the best source on {names}", gap(model, targets)) for model in MODELS)
        yield from (
            (f"{model}: gap to the mean of sources on {names}", gap_to_mean(model, targets)) for model in MODELS
        )
        for first, second in ((LAST, LAYER_3), (LAST, LORA), (LORA, LAYER_3)):
            yield f"gap of {first} minus {second} on {names}", gap(first, targets) - gap(second, targets)
    yield (
        "whisper-layer-3: EMOVO minus within on URDU",
        uar(LAYER_3, "EMOVO", "URDU") - within(LAYER_3, "URDU"),
    )
    own = {model: mean(within(model, target) for target in CORPORA) for model in MODELS}
    yield from ((f"{model}: within", own[model]) for model in MODELS)
    three = {model: mean(within(model, target) for target in TARGETS) for model in MODELS}
    yield from ((f"{model}: within on {' and '.join(TARGETS)}", three[model]) for model in MODELS)
    yield from (
        (f"whisper-converged minus {other} within", own[LORA] - own[other]) for other in MODELS if other != LORA
    )
    for model in (SVM, CNN_LSTM, LAST, LAYER_3):
        singles = mean(uar(model, source, target) for source, target in PAIRS)
        others = mean(uar(model, f"all-but-{target}", target) for target in CORPORA)
        yield f"{model}: all other languages minus the mean of single sources", others - singles
        highest = mean(uar(model, best[model, target], target) for target in CORPORA)
        yield f"{model}: all other languages minus the best single source", others - highest
        yield f"{model}: gap to all other languages", own[model] - others
    for model in MODELS:
        yield f"{model}: 0 examples", few(model, 0)
        both = mean(few(model, shots) for shots in (50, 200))
        yield f"{model}: mean of 50 and 200 examples minus none", both - few(model, 0)
        for shots in (50, 200):
            yield f"{model}: {shots} examples", few(model, shots)
            yield f"{model}: {shots} examples alone", alone(model, shots)
            for targets in (TARGETS, *([target] for target in TARGETS)):
                on = "" if targets == TARGETS else f" on {targets[0]}"
                with_source = few(model, shots, targets)
                yield f"{model}: {shots} examples minus none{on}", with_source - few(model, 0, targets)
                added = with_source - alone(model, shots, targets)
                yield f"{model}: RAVDESS and {shots} examples minus the examples alone{on}", added
        for targets in (TARGETS, *([target] for target in TARGETS)):
            difference = few(model, 200, targets) - mean(within(model, target) for target in targets)
            yield f"{model}: 200 examples minus within on {' and '.join(targets)}", difference
    for shots in (0, 50, 200):
        for other in MODELS:
            if other != LORA:
                yield (
                    f"whisper-converged minus {other} with {shots} examples",
                    few(LORA, shots) - few(other, shots),
                )
    yield (
        "whisper-converged minus egemaps with 200 examples on URDU",
        few(LORA, 200, ["URDU"]) - few(SVM, 200, ["URDU"]),
    )


def with_patience() -> Iterator[tuple[str, Contrast]]:
    """Yield contrasts with models that were trained on 50 examples alone with five times the patience."""
    for model in (CNN_LSTM, LAST, LORA, LAYER_3):
        alone = {target: uar(model, target, target, 50) for target in TARGETS}
        yield f"{model}: 50 examples alone, five times the patience", mean(alone.values())
        for targets in (TARGETS, *([target] for target in TARGETS)):
            on = "" if targets == TARGETS else f" on {targets[0]}"
            added = mean(uar(model, "RAVDESS", target, 50) - alone[target] for target in targets)
            yield f"{model}: RAVDESS and 50 examples minus the examples alone, five times the patience{on}", added


def main(folder: Path) -> None:
    """Write the contrasts of a folder of published results."""
    # these have training runs of their own for models of other experiments, from which they differ by rounding
    conditions = {"adaptation": adapted, "figure3_converged": in_noise, "figure3": in_noise_after_five_epochs}
    files = {path: path.name.split("_confusions")[0] for path in sorted(folder.glob("scores/*_confusions.csv.xz"))}
    gaps = pd.read_csv(folder / "gap.csv")
    chosen = gaps[gaps["quantity"] == BEST]
    best = dict(zip(zip(chosen["model"], chosen["target"], strict=True), chosen["source"], strict=True))
    others = [path for path, experiment in files.items() if experiment not in conditions]
    parts = [("all", others, on_all_speakers()), ("test", others, on_test_speakers(best))]
    parts += [("all", [path], conditions[name]()) for path, name in files.items() if name in conditions]
    patient = [
        folder / "scores" / "figure2_converged_confusions.csv.xz",
        folder / "patient/scores/within_confusions.csv.xz",
    ]
    parts.append(("test", patient, with_patience()))
    rows = []
    for test_set, paths, contrasts in parts:
        scores = Bootstrap(confusions.read(paths), test_set)
        for name, contrast in contrasts:
            estimate = scores.estimate(contrast)
            rows.append((name, test_set, estimate.effect, *interval(estimate)))
    style.write_csv(
        pd.DataFrame(rows, columns=["contrast", "test_set", "value", "low", "high"]), folder / "contrasts.csv"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/real-speech"))
