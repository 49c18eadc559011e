"""Label every utterance of a target, in one condition, with a fine-tuned model."""

from ser.legacy import lean_imports  # noqa: F401, isort: skip (before torch)

import numpy as np
import torch

from ser.core import files
from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.models import families, trainable_state
from ser.snakemake_support import script
from ser.training import inference
from ser.training.device import choose_device, frame_storage, parent_folder

COLUMNS = ("utterance", "emotion", "predicted", *EMOTIONS)


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    settings = snakemake.params.settings
    device = choose_device(snakemake.resources.gpu)
    model = families.of(settings["model"]).build(settings["model"], parent_folder(snakemake.input.encoder))
    trainable_state.load_trained_state(model.to(device), snakemake.input.weights)
    rows = files.read_rows(snakemake.input.utterances)
    storage = frame_storage(device, snakemake.resources)
    frames = model.read_frames(snakemake.input.frames, rows, [row["utterance"] for row in rows], storage)
    predicted = inference.probabilities(model, frames, settings["batch_size"], device)
    if not np.isfinite(predicted).all():
        raise UserError(
            f"{snakemake.input.weights}: the model's probabilities are no numbers. Delete it and train again."
        )
    files.write_rows(
        snakemake.output.predictions,
        COLUMNS,
        [
            (row["utterance"], row["emotion"], EMOTIONS[values.argmax()], *(f"{value:.8f}" for value in values))
            for row, values in zip(rows, predicted, strict=True)
        ],
    )


if __name__ == "__main__":
    script.run(snakemake, main)
