"""Fetch a checkpoint, and keep its encoder."""

from ser import lean_imports  # noqa: F401, isort: skip (before torch)

import shutil

from safetensors.torch import save_file

from ser import checkpoints, families, files, job


def main(snakemake):
    settings, outputs = snakemake.params.settings, snakemake.output
    folder, revision = checkpoints.locate(settings["checkpoint"], settings.get("revision"))
    tensors = checkpoints.read_encoder(folder, settings["family"])
    # here, once, rather than in every run that starts from it
    families.load(settings["family"]).load(files.read_json(folder / "config.json"), tensors, folder)
    with files.written_whole(outputs.weights) as temporary:
        save_file(tensors, temporary)
    shutil.copyfile(folder / "config.json", outputs.config)
    shutil.copyfile(folder / "preprocessor_config.json", outputs.preprocessor)
    record = {"checkpoint": settings["checkpoint"], "revision": revision, "sha256": files.sha256(outputs.weights)}
    files.write_json(outputs.revision, record)


if __name__ == "__main__":
    job.run(snakemake, main)
