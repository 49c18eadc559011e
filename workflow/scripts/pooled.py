"""What a frozen encoder makes of a corpus in one condition: a vector an utterance."""

from ser import lean_imports  # noqa: F401, isort: skip (before torch)

import torch

from ser import audio, families, files, job, placement


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    settings = snakemake.params.settings
    device = placement.choose_device(snakemake.resources.gpu)
    family = families.load(settings["model"]["family"])
    model = family.build(settings["model"], placement.encoder_folder(snakemake.input.encoder)).to(device)
    rows = files.read_rows(snakemake.input.utterances)
    storage = placement.storage(device, snakemake.resources)
    frames = model.read_frames(snakemake.input.audio, rows, [row["utterance"] for row in rows], storage)
    vectors = model.pooled(frames, device)
    audio.write_array(snakemake.output.vectors, [vectors], len(vectors))


if __name__ == "__main__":
    job.run(snakemake, main)
