"""Compare the workflow's frozen Whisper with a check that shares no code with it.

Usage: python benchmarks/independent_check.py DIRECTORY CHECKPOINT CORPUS=ARCHIVE ... [--model MODEL]

Recordings are read from the zip archives by librosa, encoded in windows of 30 s by transformers' own feature extractor
and encoder, averaged over the frames of the recording, and classified by scikit-learn's logistic regression. Only the
splits and the emotions are those of DIRECTORY. Prints UARs beside the workflow's, per pair, mean over seeds.
"""

import argparse
import io
import statistics
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


def vectors_of(archive: str, files: pd.Series, extractor, encoder) -> np.ndarray:
    """Return the average of the encoder's output over each recording, (recordings, width)."""
    vectors = []
    with zipfile.ZipFile(archive) as opened:
        for name in files:
            waveform, _ = librosa.load(io.BytesIO(opened.read(name)), sr=16_000)
            features = extractor(waveform, sampling_rate=16_000, return_tensors="pt").input_features
            frames = encoder(features).last_hidden_state[0]
            vectors.append(frames[: -(-len(waveform) // SAMPLES_PER_FRAME)].mean(dim=0).numpy())
    return np.stack(vectors)


def uar(true, predicted) -> float:
    """Return the mean recall of the classes, in %."""
    return 100 * recall_score(true, predicted, average="macro")


def fitted(vectors, emotions, role):
    """Return the logistic regression that is best on development data."""
    train, dev = role == "train", role == "dev"
    candidates = [
        make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=5000)).fit(vectors[train], emotions[train])
        for c in STRENGTHS
    ]
    return max(candidates, key=lambda one: uar(emotions[dev], one.predict(vectors[dev])))


@torch.inference_mode()
def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("checkpoint")
    parser.add_argument("corpora", nargs="+", metavar="CORPUS=ARCHIVE")
    parser.add_argument("--model", default="whisper-frozen-converged", help="the workflow's model to compare with")
    options = parser.parse_args()
    results, archives = options.directory / "results", dict(one.split("=", 1) for one in options.corpora)
    extractor = WhisperFeatureExtractor.from_pretrained(options.checkpoint)
    encoder = WhisperModel.from_pretrained(options.checkpoint, dtype=torch.float32).encoder.eval()
    rows = {corpus: pd.read_csv(results / f"corpora/{corpus}/utterances.csv", dtype=str) for corpus in archives}
    vectors = {corpus: vectors_of(archives[corpus], rows[corpus]["file"], extractor, encoder) for corpus in archives}
    scores = pd.read_csv(results / "scores.csv")
    scores = scores[(scores["model"] == options.model) & (scores["shots"] == 0) & (scores["condition"] == "clean")]
    scores = scores[scores["test_set"] == "all"].drop_duplicates(["source", "target", "seed"])
    print(f"| source | target | {options.model} | independent check |\n|---|---|---:|---:|")
    pairs = []
    for source, own in rows.items():
        uars: dict[str, list[float]] = {target: [] for target in rows if target != source}
        for split in sorted((results / f"splits/{source}").glob("seed*/source.csv")):
            role = own["utterance"].map(pd.read_csv(split, dtype=str).set_index("utterance")["role"]).to_numpy()
            model = fitted(vectors[source], own["emotion"].to_numpy(), role)
            for target, found in uars.items():
                found.append(uar(rows[target]["emotion"], model.predict(vectors[target])))
        for target, found in uars.items():
            ours = scores.loc[(scores["source"] == source) & (scores["target"] == target), "uar"].mean()
            pairs.append((ours, statistics.mean(found)))
            print(f"| {source} | {target} | {ours:.1f} | {pairs[-1][1]:.1f} |")
    ours, theirs = np.array(pairs).T
    print(f"| mean | | {ours.mean():.1f} | {theirs.mean():.1f} |")
    correlation = np.corrcoef(ours, theirs)[0, 1]
    print(f"\nCorrelation over pairs {correlation:.2f}; mean difference {(ours - theirs).mean():+.1f}")


if __name__ == "__main__":
    main()
