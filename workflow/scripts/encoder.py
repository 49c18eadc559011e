"""Download a checkpoint and save its encoder."""

import logging
import os
from pathlib import Path

import transformers
from safetensors.torch import save_file

from ser.core import files
from ser.core.errors import UserError
from ser.models import checkpoints, families
from ser.snakemake_support import script

log = logging.getLogger(__name__)

SETTINGS = {"weights": "pretrained", "context": "utterance"}  # to build the encoder once, as a check


def main(snakemake):
    settings, outputs = snakemake.params.settings, snakemake.output
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"  # else transformers asks the Hub to convert pickles
    transformers.logging.set_verbosity_error()  # without its report of heads and decoders
    transformers.logging.disable_progress_bar()
    checkpoint = checkpoints.load(settings["checkpoint"], settings.get("revision"), settings["family"])
    with files.atomic_write(outputs.weights) as temporary:
        save_file(checkpoint.encoder.state_dict(), temporary)
    files.write_json(outputs.config, checkpoint.config)
    files.write_json(outputs.preprocessor, checkpoint.preprocessor)
    try:
        encoder = families.encoder_family(settings["family"]).build(SETTINGS, Path(outputs.weights).parent)
    except UserError as error:
        raise UserError(f"{settings['checkpoint']}: {error}") from error
    if labels := checkpoints.head_labels(checkpoint.config):
        log.warning(
            "%s was fine-tuned to predict %s: its encoder may know your test recordings. Table I notes it.",
            settings["checkpoint"],
            ", ".join(labels),
        )
    record = {
        "checkpoint": settings["checkpoint"],
        "revision": checkpoint.revision,
        "sha256": files.sha256(outputs.weights),
        "parameters": encoder.parameter_count,
        "width": encoder.hidden_size,
        "layers": len(encoder.layers),
        "dropout": checkpoints.dropouts(checkpoint.config, settings["family"]),
        "labels": labels,
    }
    files.write_json(outputs.revision, record)


if __name__ == "__main__":
    script.run(snakemake, main)
