"""Compute a trained model's calibration: moments of its source's embeddings, and a temperature."""

import torch

from ser.core.paths import RunId
from ser.models import families
from ser.snakemake_support import script
from ser.training import data, numerics, prediction
from ser.training.calibration import Calibration, fit_temperature, moments
from ser.training.device import choose_device, frame_storage


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    inputs, settings = snakemake.input, snakemake.params.settings
    numerics.choose_gpu_kernels()
    device = choose_device(snakemake.resources.device)
    model = prediction.load_model(settings["model"], families.folder_of(inputs.encoder), inputs.weights, device)

    def embedded(names):
        examples = data.read_source(model, inputs, names, frame_storage(device, snakemake.resources))
        return model.embed_all(examples.frames, settings["batch_size"], device), examples.labels

    train, dev = data.source_names(inputs, settings["balanced"], RunId.parse(inputs.weights).seed)
    mean, deviation = moments(embedded(train)[0])
    embeddings, labels = embedded(dev)
    temperature = fit_temperature(model.classify_all(embeddings, device), labels)
    Calibration(mean, deviation, temperature).save(snakemake.output.calibration, inputs.weights)


if __name__ == "__main__":
    script.run(snakemake, main)
