"""What the paper's grid would take at measured costs: Table II, Figures 2 and 3, five repetitions."""

import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from ser import configuration, experiments  # noqa: E402

# Seconds of speech, those of EMODB, EMOVO and URDU from their counts and mean lengths.
SECONDS = {"IEMOCAP": 25_213, "EMODB": 420 * 2.8, "EMOVO": 336 * 3.1, "URDU": 400 * 2.5}
SECONDS_A_SHOT = 2.8
DEV_SHARE = 0.2
MEASURED_AS = {
    "cnn-lstm": "cnn-lstm",
    "wav2vec2": "wav2vec2-base",
    "xlsr": "xlsr",
    "mms": "xlsr",
    "whisper": "whisper-medium",
}


def paper() -> tuple[list, list]:
    """Fine-tunings and predictions of the paper's configuration."""
    config = configuration.load(yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8")))
    predictions = experiments.predictions(config, ("table2", "figure2", "figure3"))
    runs = sorted({(p.model, p.source, p.trained_on_target, p.shots, p.seed) for p in predictions})
    return runs, predictions


def project(costs: Mapping[str, Mapping[str, float]], epochs: int) -> str:
    """Hours of the grid's jobs one after the other, in words.

    Args:
        costs: for each measured model `start_up`, and seconds for a second of speech: `front_end`, `step`, `forward`
            (in training's arithmetic), `predict`.
    """
    runs, predictions = paper()
    training = sum(run_seconds(costs[MEASURED_AS[run[0]]], run[1], run[3], epochs) for run in runs)
    labelling = sum(
        (cost := costs[MEASURED_AS[p.model]])["start_up"] + SECONDS[p.target] * (cost["front_end"] + cost["predict"])
        for p in predictions
    )
    starting = sum(costs[MEASURED_AS[job[0]]]["start_up"] for job in runs)
    starting += sum(costs[MEASURED_AS[p.model]]["start_up"] for p in predictions)
    return (
        f"The paper's grid ({len(runs)} fine-tunings, {len(predictions)} predictions), one job after the other:"
        f" {(training + labelling) / 3600:.1f} h, of which {training / 3600:.1f} h fine-tuning and"
        f" {labelling / 3600:.1f} h prediction; {starting / 3600:.1f} h of both are start-up."
    )


def run_seconds(cost: Mapping[str, float], source: str, shots: int, epochs: int) -> float:
    """Seconds of one fine-tuning."""
    train = SECONDS[source] * (1 - DEV_SHARE) + shots * SECONDS_A_SHOT
    dev = SECONDS[source] * DEV_SHARE
    return (
        cost["start_up"] + (train + dev) * cost["front_end"] + epochs * (train * cost["step"] + dev * cost["forward"])
    )
