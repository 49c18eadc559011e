"""Fetch a checkpoint, and keep its encoder."""

import shutil

from safetensors.torch import save_file

from ser import checkpoints, files, job


def main(snakemake):
    settings, outputs = snakemake.params.settings, snakemake.output
    folder, revision = checkpoints.locate(settings["checkpoint"], settings.get("revision"))
    tensors = checkpoints.read_encoder(folder, settings["family"])
    with files.written_whole(outputs.weights) as temporary:
        save_file(tensors, temporary)
    shutil.copyfile(folder / "config.json", outputs.config)
    shutil.copyfile(folder / "preprocessor_config.json", outputs.preprocessor)
    files.write_json(outputs.revision, {"checkpoint": settings["checkpoint"], "revision": revision})


if __name__ == "__main__":
    job.run(snakemake, main)
