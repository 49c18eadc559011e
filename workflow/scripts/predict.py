"""Predict the emotions of all utterances for a training run's targets and conditions."""

import torch

from ser.core import files
from ser.models import families
from ser.snakemake_support import script
from ser.training import numerics, prediction
from ser.training.calibration import Calibration
from ser.training.device import choose_device, frame_storage


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    inputs, settings = snakemake.input, snakemake.params.settings
    numerics.choose_gpu_kernels()
    device = choose_device(snakemake.resources.device)
    model = prediction.load_model(settings["model"], families.folder_of(inputs.encoder), inputs.weights, device)
    targets = dict.fromkeys(target for target, _ in settings["predicted"])
    utterances = dict(zip(targets, map(files.read_rows, inputs.utterances), strict=True))
    calibration = Calibration.load(inputs.calibration, inputs.weights) if inputs.calibration else None
    cells: dict[str, list] = {}  # the conditions of one recording are predicted together
    for cell, frames_path in zip(settings["predicted"], inputs.frames, strict=True):
        cells.setdefault(frames_path, []).append(cell)
    predictions = []
    for frames_path, same_frames in cells.items():
        rows = utterances[same_frames[0][0]]
        storage = frame_storage(device, snakemake.resources)
        frames = model.read_frames(frames_path, rows, [row["utterance"] for row in rows], storage)
        embedded = model.embed_all(frames, settings["batch_size"], device)
        for target, condition in same_frames:
            predicted = prediction.classify_embeddings(model, embedded, device, condition, calibration, inputs.weights)
            predictions += prediction.prediction_rows(target, condition, rows, predicted)
        del frames, embedded  # before those of the next target are read
    files.write_rows(snakemake.output.predictions, prediction.COLUMNS, predictions)


if __name__ == "__main__":
    script.run(snakemake, main)
