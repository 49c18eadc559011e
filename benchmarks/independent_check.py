"""Compare the workflow's frozen Whisper with a check that shares no code with it.

Usage: python benchmarks/independent_check.py DIRECTORY CHECKPOINT CORPUS=ARCHIVE ... --layers MODEL=LAYER ...

Recordings are read from the zip archives and trimmed by librosa, encoded in windows of 30 s by transformers' own
feature extractor and encoder, averaged over the frames of the recording, and classified by scikit-learn's logistic
regression. Only the splits and the emotions are those of DIRECTORY. Prints UARs beside the workflow's, per pair, mean
over seeds.
"""

import argparse
import io
import zipfile
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import WhisperFeatureExtractor, WhisperModel

SAMPLES_PER_FRAME = 320  # of the encoder's output, at 16 kHz
STRENGTHS = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]  # C of the logistic regression, chosen on development data


def vectors_of(archive: str, files: pd.Series, trim_db: float | None, extractor, encoder) -> np.ndarray:
    """Return the average of the output of each layer over each recording, (layers + 1, recordings, width)."""
    vectors = []
    with zipfile.ZipFile(archive) as opened:
        for name in files:
            waveform, _ = librosa.load(io.BytesIO(opened.read(name)), sr=16_000)
            if trim_db is not None:
                waveform, _ = librosa.effects.trim(waveform, top_db=trim_db, frame_length=400, hop_length=160)
            features = extractor(waveform, sampling_rate=16_000, return_tensors="pt").input_features
            layers = torch.cat(encoder(features, output_hidden_states=True).hidden_states)
            vectors.append(layers[:, : -(-len(waveform) // SAMPLES_PER_FRAME)].mean(dim=1).numpy())
    return np.stack(vectors, axis=1)


def uar(true, predicted) -> float:
    """Return the mean recall of the classes, in %."""
    return 100 * recall_score(true, predicted, average="macro")


def fitted(vectors, emotions, role, standardise: bool):
    """Return the logistic regression that is best on development data."""
    train, dev = role == "train", role == "dev"
    candidates = [
        make_pipeline(StandardScaler() if standardise else "passthrough", LogisticRegression(C=c, max_iter=5000)).fit(
            vectors[train], emotions[train]
        )
        for c in STRENGTHS
    ]
    return max(candidates, key=lambda one: uar(emotions[dev], one.predict(vectors[dev])))


@torch.inference_mode()
def main() -> None:
    """Print a table in Markdown for each layer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("checkpoint")
    parser.add_argument("corpora", nargs="+", metavar="CORPUS=ARCHIVE")
    parser.add_argument("--layers", nargs="+", metavar="MODEL=LAYER", default=["whisper-frozen-converged=-1"])
    parser.add_argument("--trim-db", type=float, help="trim_db of the corpora, if silence is trimmed")
    parser.add_argument("--scores", help="results/scores.csv of DIRECTORY, if it is elsewhere")
    options = parser.parse_args()
    results, archives = options.directory / "results", dict(one.split("=", 1) for one in options.corpora)
    extractor = WhisperFeatureExtractor.from_pretrained(options.checkpoint)
    encoder = WhisperModel.from_pretrained(options.checkpoint, dtype=torch.float32).encoder.eval()
    rows = {corpus: pd.read_csv(results / f"corpora/{corpus}/utterances.csv", dtype=str) for corpus in archives}
    vectors = {
        corpus: vectors_of(archives[corpus], rows[corpus]["file"], options.trim_db, extractor, encoder)
        for corpus in archives
    }
    scores = pd.read_csv(options.scores or results / "scores.csv")
    scores = scores[(scores["shots"] == 0) & (scores["condition"] == "clean") & (scores["test_set"] == "all")]
    for model, layer in (one.split("=", 1) for one in options.layers):
        ours = scores[scores["model"] == model].groupby(["source", "target"])["uar"].mean()
        of_layer = {corpus: layers[int(layer)] for corpus, layers in vectors.items()}
        print_comparison(model, ours, rows, of_layer, results / "splits")


def print_comparison(model: str, ours: pd.Series, rows, vectors, splits: Path) -> None:
    """Print the workflow's UAR of each pair and those of the check, with and without standardised vectors."""
    print(f"\n| source | target | {model} | independent check | not standardised |\n|---|---|---:|---:|---:|")
    pairs = []
    for source, own in rows.items():
        found: dict[str, list[tuple]] = {target: [] for target in rows if target != source}
        for split in sorted((splits / source).glob("seed*/source.csv")):
            role = own["utterance"].map(pd.read_csv(split, dtype=str).set_index("utterance")["role"]).to_numpy()
            models = [fitted(vectors[source], own["emotion"].to_numpy(), role, scaled) for scaled in (True, False)]
            for target, uars in found.items():
                emotions = rows[target]["emotion"]
                uars.append(tuple(uar(emotions, one.predict(vectors[target])) for one in models))
        for target, uars in found.items():
            pairs.append((ours[source, target], *np.mean(uars, axis=0)))
            print(f"| {source} | {target} | " + " | ".join(f"{value:.1f}" for value in pairs[-1]) + " |")
    columns = np.array(pairs).T
    print("| mean | | " + " | ".join(f"{column.mean():.1f}" for column in columns) + " |")
    print(
        "\nCorrelations with the first column:", *(f"{np.corrcoef(columns[0], one)[0, 1]:.2f}" for one in columns[1:])
    )


if __name__ == "__main__":
    main()
