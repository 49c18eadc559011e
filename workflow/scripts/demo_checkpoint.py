"""Pre-train one of the demo's tiny encoders and save it in Hugging Face format."""

from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

from ser.core import files
from ser.demo import pretraining
from ser.snakemake_support import script


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    architecture = yaml.safe_load(Path(snakemake.input.architecture).read_text(encoding="utf-8"))
    weights, config, preprocessor = pretraining.pretrain(**architecture)
    with files.atomic_write(snakemake.output.weights) as temporary:
        save_file(weights, temporary)
    files.write_json(snakemake.output.config, config)
    files.write_json(snakemake.output.preprocessor, preprocessor)


if __name__ == "__main__":
    script.run(snakemake, main)
