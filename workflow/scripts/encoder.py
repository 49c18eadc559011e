"""Download a checkpoint and save its encoder."""

import logging
import shutil
from pathlib import Path

from safetensors.torch import save_file

from ser.core import files
from ser.core.errors import UserError
from ser.models import checkpoint_files, checkpoints, families
from ser.snakemake_support import script

log = logging.getLogger(__name__)

SETTINGS = {"weights": "pretrained", "context": "utterance"}  # to build the encoder once, as a check


def main(snakemake):
    settings, outputs = snakemake.params.settings, snakemake.output
    folder, revision = checkpoints.locate(settings["checkpoint"], settings.get("revision"))
    with files.atomic_write(outputs.weights) as temporary:
        save_file(checkpoints.read_encoder(folder, settings["family"]), temporary)
    with files.atomic_write(outputs.config) as temporary:
        shutil.copyfile(folder / checkpoint_files.CONFIG, temporary)
    files.write_json(outputs.preprocessor, checkpoint_files.read_preprocessor(folder))
    try:
        encoder = families.load(settings["family"]).build_encoder(SETTINGS, Path(outputs.weights).parent)
    except UserError as error:
        raise UserError(f"{settings['checkpoint']}: {error}") from error
    config = files.read_json(outputs.config)
    if labels := checkpoints.head_labels(config):
        log.warning(
            "%s was fine-tuned to predict %s: its encoder may know your test recordings. Table I notes it.",
            settings["checkpoint"],
            ", ".join(labels),
        )
    record = {
        "checkpoint": settings["checkpoint"],
        "revision": revision,
        "sha256": files.sha256(outputs.weights),
        "parameters": encoder.parameter_count,
        "width": encoder.hidden_size,
        "layers": len(encoder.layers),
        "dropout": checkpoints.dropouts(config, settings["family"]),
        "labels": labels,
    }
    files.write_json(outputs.revision, record)


if __name__ == "__main__":
    script.run(snakemake, main)
