"""Compute a frozen encoder's pooled vectors for one corpus and condition."""

import torch

from ser.core import files
from ser.corpora import audio_array
from ser.models import families
from ser.snakemake_support import script
from ser.training import numerics
from ser.training.device import choose_device, frame_storage


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    settings = snakemake.params.settings
    numerics.choose_gpu_kernels()
    device = choose_device(snakemake.resources.device)
    family = families.encoder_family(settings["family"])
    encoder = family.build(settings, families.folder_of(snakemake.input.encoder)).to(device)
    rows = files.read_rows(snakemake.input.utterances)
    storage = frame_storage(device, snakemake.resources)
    frames = encoder.read_frames(snakemake.input.audio, rows, [row["utterance"] for row in rows], storage)
    vectors = encoder.pooled(frames, device)
    audio_array.write_array(snakemake.output.vectors, [vectors], len(vectors))


if __name__ == "__main__":
    script.run(snakemake, main)
