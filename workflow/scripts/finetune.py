"""Train or fine-tune a model on a source corpus, optionally with few-shot examples of a target."""

import time
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

from ser.core import files
from ser.core.errors import UserError
from ser.core.paths import RunId
from ser.corpora import leakage
from ser.corpora.data_fingerprint import data_fingerprint, described
from ser.models import families
from ser.snakemake_support import script
from ser.training import data, loop, numerics, run_record
from ser.training.device import choose_device, frame_storage


def main(snakemake):
    started = time.perf_counter()
    torch.set_num_threads(snakemake.threads)
    inputs, settings = snakemake.input, snakemake.params.settings
    if settings["training"]["deterministic"]:
        numerics.make_deterministic()
    numerics.choose_gpu_kernels()
    device = choose_device(snakemake.resources.device)
    run = RunId.parse(snakemake.output.weights)
    encoder, storage = families.folder_of(inputs.encoder), frame_storage(device, snakemake.resources)
    model = loop.initialise(settings["model"], encoder, run.seed).to(device)

    train_names, dev_names = data.source_names(inputs, settings["balanced"], run.seed)
    train, dev = (data.read_source(model, inputs, names, storage) for names in (train_names, dev_names))
    tables = list(map(files.read_rows, inputs.source_utterances))
    used = [list(map(described, tables, names)) for names in (train_names, dev_names)]
    if subset_path := inputs.get("subset"):
        subset = [row["utterance"] for row in files.read_rows(subset_path)]
        target_roles = leakage.read_split(inputs.target_split, inputs.target_utterances, inputs.target_overlaps)
        leakage.check_subset(subset, target_roles, subset_path)
        few_shot = data.read_examples(model, inputs.target_frames, inputs.target_utterances, subset, storage)
        train = data.concatenate(train, few_shot)
        used.append(described(files.read_rows(inputs.target_utterances), subset))

    # instead of the encoder's weights, the fingerprint covers their checksum in revision.json, or a frozen one's output
    hashed_inputs = [path for path in inputs if path not in inputs.encoder[:1]]
    state_path = run_record.state_path(snakemake.output.weights)
    try:
        progress = families.of(settings["model"]).fine_tune(
            model,
            train,
            dev,
            settings=settings["training"],
            seed=run.seed,
            device=device,
            state_path=state_path,
            fingerprint=run_record.fingerprint({**settings, "run": str(run), "device": device.type}, hashed_inputs),
            started=started,
        )
    except UserError as error:
        raise UserError(f"{run}: {error}") from error

    with files.atomic_write(snakemake.output.weights) as temporary:
        save_file(progress.best_weights, temporary)
    files.write_rows(snakemake.output.history, loop.HISTORY_COLUMNS, progress.history)
    identity = asdict(run) | {"corpora": [Path(path).parent.name for path in inputs.source_utterances]}
    identity |= {"data": data_fingerprint(*used), "weights_sha256": files.sha256(snakemake.output.weights)}
    if encoder:
        identity["encoder_sha256"] = files.read_json(encoder / "revision.json")["sha256"]
    record = run_record.record_of_run(
        identity,
        settings=settings,
        progress=progress,
        model=model,
        train=train,
        device=device,
    )
    files.write_json(snakemake.output.run, record)
    state_path.unlink(missing_ok=True)


if __name__ == "__main__":
    script.run(snakemake, main)
