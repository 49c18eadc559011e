"""Fine-tuning and prediction against the usual loop of transformers and peft, on speech of IEMOCAP's lengths.

    python benchmarks/fine_tuning.py [--models wav2vec2-base xlsr whisper-medium] [--device cpu|cuda] [--output FILE]

Encoders have their true sizes and random weights, recordings the lengths of IEMOCAP's 5531 (iemocap-seconds.txt) and
noise in them. Every case runs in a process of its own. An epoch's time is estimated from some of its batches, taken at
equal steps through their order by padded length, in proportion to padded seconds: many on a GPU, few on a CPU. The
front end, which we compute once per run, is charged to an epoch by its share of a run's epochs. What each side does to
a recording (reading, features) is in its times. Prints tables in Markdown, and what the paper's grid would take.
"""

import argparse
import functools
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "benchmarks")]

SAMPLE_RATE, EPOCHS, RANK, FLOAT32 = 16_000, 5, 16, 4
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
DROPOUTS = {"activation_dropout": 0.0, "feat_proj_dropout": 0.1}  # the published ones, where transformers' differ
MODELS = {  # family, settings beside transformers' defaults, which are wav2vec2-base's; linears that get LoRA
    "wav2vec2-base": ("wav2vec2", DROPOUTS, ("intermediate_dense", "output_dense")),
    "xlsr": (
        "wav2vec2",
        LARGE | DROPOUTS | {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True},
        ("intermediate_dense", "output_dense"),
    ),
    "whisper-medium": (
        "whisper",
        {
            "d_model": 1024,
            "encoder_layers": 24,
            "encoder_attention_heads": 16,
            "encoder_ffn_dim": 4096,
            "decoder_layers": 1,  # no side uses the decoder
            "decoder_attention_heads": 16,
        },
        ("fc1", "fc2"),
    ),
}
CPU_MICRO_BATCHES = {"cnn-lstm": 16, "wav2vec2-base": 8, "xlsr": 4, "whisper-medium": 2}
TUNING = {  # of our side: settings of a model's entry
    "lora": {"tuning": {"method": "lora", "rank": RANK, "alpha": RANK}},
    "adapter": {"tuning": {"method": "adapter", "bottleneck": 128}},
    "prompt": {"tuning": {"method": "prompt", "length": 5}},
    "full": {"tuning": {"method": "full"}},
    "random": {"weights": "random", "tuning": {"method": "full"}},
}
PLAIN = {
    "a: padded, random batches": {},
    "b: padded, grouped by length": {"grouped": True},
    "c: cut at 6 s, random batches": {"longest": 6.0},
}
WITHOUT = {  # ours with one thing taken away
    "front end in every epoch": {"front_ends": EPOCHS},
    "random batches": {"grouped": False},
    "eager attention": {"attention": "eager"},
    "weight norm in every step": {"settled": False},
    "30 s of context": {"context": "30s"},
    "float32": {"precision": "float32"},
    "frozen matrices in float32": {"rounded": False},
}


def main():
    options = parse()
    if options.case:
        print(json.dumps(run_case(json.loads(options.case))))
        return
    device, report = describe(options), []
    say = functools.partial(emit, report, options.output)
    say(f"{device}; {options.batches} batches of each epoch; `{' '.join(['python', *sys.argv])}`\n")
    if options.ours:
        with tempfile.TemporaryDirectory() as folder:
            for model in options.models:
                say(as_text([measure_ours(model, Path(folder, model), device, options)]))
        return
    with tempfile.TemporaryDirectory() as folder:
        entries = {}
        for model in options.models:
            ours = measure_model(model, Path(folder, model), options, say)
            entries[model] = cost_entry(model, ours, device, options)
        if entries.keys() == MODELS.keys():
            baseline = in_process({**case_of("cnn-lstm", Path(folder), options), "side": "ours"})
            entries["cnn-lstm"] = cost_entry("cnn-lstm", baseline, device, options)
            say("\n" + project(list(entries.values()), options.device))
            if options.sharing > 1:
                say(shared(options, entries["xlsr"]["step"], folder))
        say("\nAs entries of resources/costs.yaml:\n\n" + as_text(list(entries.values())))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=[*MODELS, "cnn-lstm"], default=list(MODELS))
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if Path("/dev/nvidia0").exists() else "cpu")
    parser.add_argument("--micro-batch", type=int, help="utterances; default: 16 on a GPU, fewer on a CPU")
    parser.add_argument("--batches", type=int, help="of each epoch; default: 40 on a GPU, 3 on a CPU")
    parser.add_argument("--sharing", type=int, default=1, help="also measure so many jobs at a time")
    parser.add_argument("--no-ablation", action="store_true")
    parser.add_argument("--ours", action="store_true", help="only our side, as an entry of resources/costs.yaml")
    parser.add_argument("--tuning", choices=TUNING, default="lora", help="with --ours: the way to tune")
    parser.add_argument("--output", type=Path, help="also write the tables there")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if "cnn-lstm" in options.models and not options.ours:
        parser.error("of cnn-lstm only our side can be measured (--ours): nobody else has it")
    options.batches = options.batches or (40 if options.device == "cuda" else 3)
    return options


def emit(report: list[str], path: Path | None, line: str) -> None:
    """Print a line, and keep what was printed so far in a file."""
    print(line, flush=True)
    report.append(line)
    if path:
        path.write_text("\n".join(report) + "\n", encoding="utf-8")


def measure_ours(name: str, folder: Path, device: str, options) -> dict:
    """What our side alone takes of one model, as an entry of resources/costs.yaml."""
    common = case_of(name, folder, options)
    folder.mkdir()
    if name != "cnn-lstm":
        in_process({**common, "side": "checkpoint"})
    return cost_entry(name, in_process({**common, "side": "ours", **TUNING[options.tuning]}), device, options)


def cost_entry(name: str, ours: dict, device: str, options) -> dict:
    """An entry of resources/costs.yaml from our case of one model."""
    numbers = {key: ours[key] for key in ("start_up", "front_end", "step", "forward", "predict", "frames")}
    if options.device == "cpu":  # of a GPU it would be the GPU's own memory
        # weights are mapped, and in memory from the first prediction on
        weights = FLOAT32 * ours["parameters"]
        numbers["predicting"] = max(ours["predicting"] - ours["settled"] - weights, 0) / ours["longest"]
        numbers["training"] = (ours["memory"] - ours["predicting"]) / ours["longest"]
    entry = {"name": name, "family": "cnn-lstm" if name == "cnn-lstm" else MODELS[name][0]}
    entry |= {"parameters": ours["parameters"]} | ({"cores": os.cpu_count()} if options.device == "cpu" else {})
    entry |= {key: float(f"{value:.3g}") for key, value in numbers.items()}
    return entry | {"measured": f"{device}; {options.tuning}, batches of {micro_batch(name, options)}"}


def as_text(entries: list[dict]) -> str:
    """Entries as they stand in resources/costs.yaml."""
    return textwrap.indent(yaml.safe_dump(entries, sort_keys=False, width=200), " " * 4)


def project(entries: list[dict], device: str) -> str:
    """Hours of the paper's grid (Table II, Figures 2 and 3) at measured costs, one job after the other, in words."""
    from ser.config import experiments, validation
    from ser.core import reference_data
    from ser.legacy.estimates import Estimates

    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    config = validation.load(config | {"device": "cpu" if device == "cpu" else "auto"})
    content, kind = reference_data.read("costs.yaml"), "cpu" if device == "cpu" else "gpu"
    estimates = Estimates(config, content | {kind: content[kind] | {"models": entries}})
    predictions = experiments.predictions(config, ("table2", "figure2", "figure3"))
    jobs = [("predict", vars(p)) for p in predictions]
    runs = {(p.model, p.source, p.trained_on_target, p.shots, p.seed) for p in predictions}
    jobs += [("finetune", dict(zip(("model", "source", "target", "shots", "seed"), run, strict=True))) for run in runs]
    hours = {
        rule: sum(estimates.of(r, w).seconds for r, w in jobs if r == rule) / 3600 for rule in ("finetune", "predict")
    }
    starting = sum(estimates.model(wildcards["model"]).rates.start_up for _, wildcards in jobs) / 3600
    where = "one job after the other" + (", each on a core" if kind == "cpu" else "")
    return (
        f"The paper's grid ({len(runs)} fine-tunings, {len(predictions)} predictions), {where}:"
        f" {sum(hours.values()):.1f} h, of which {hours['finetune']:.1f} h fine-tuning and {hours['predict']:.1f} h"
        f" prediction; {starting:.1f} h of both are start-up."
    )


def micro_batch(model: str, options) -> int:
    """Utterances of a batch."""
    return options.micro_batch or (16 if options.device == "cuda" else CPU_MICRO_BATCHES[model])


def case_of(model: str, folder: Path, options) -> dict:
    """What all cases of a model share."""
    common = {"model": model, "folder": str(folder), "device": options.device}
    return common | {"micro_batch": micro_batch(model, options), "batches": options.batches}


def measure_model(name: str, folder: Path, options, say) -> dict:
    """All cases of one model, as a table. Returns our case."""
    common = case_of(name, folder, options)
    in_process({**common, "side": "checkpoint"})
    peak = in_process({**common, "side": "product"})["flops"]
    say(f"\n### {name}, batches of {common['micro_batch']}\n")
    say("| | s a step | utterances/s | peak memory GB | times ours | predicted utterances/s | times ours |")
    say("|---|---:|---:|---:|---:|---:|---:|")
    ours = in_process({**common, "side": "ours"})
    say(row("ours", ours, ours))
    # Whisper's extractor pads to 30 s whatever it gets: neither grouping nor cutting changes anything
    for title, settings in list(PLAIN.items())[: 1 if "whisper" in name else None]:
        say(row(title, in_process({**common, "side": "plain", **settings}), ours))
    say(row("ours, once more", in_process({**common, "side": "ours"}), ours))
    say(
        f"\nOurs: {ours['padded']:.2f} padded seconds per second of speech; {ours['start_up']:.1f} s of start-up; for"
        f" 10 s of speech the front end takes {10 * ours['front_end']:.3f} s, steps {10 * ours['step']:.3f} s. Steps"
        f" do {ours['flops'] / 1e9:.0f} GFLOP/s,"
        f" {100 * ours['flops'] / peak:.0f} % of the {peak / 1e9:.0f} GFLOP/s that a large matrix product reaches here."
    )
    if not options.no_ablation:
        say("\n| ours without | epoch, times ours | peak memory GB |\n|---|---:|---:|")
        for title, settings in WITHOUT.items():
            if applies(settings, name, options.device):
                taken = in_process({**common, "side": "ours", "predicts": False, **settings})
                say(f"| {title} | {taken['epoch'] / ours['epoch']:.2f} | {taken['memory'] / 1e9:.1f} |")
    return ours


def shared(options, alone: float, folder: str) -> str:
    """How much more several jobs do together than one after the other, in words."""
    case = case_of("xlsr", Path(folder, "xlsr"), options) | {"side": "ours", "predicts": False}
    with ThreadPoolExecutor() as threads:
        together = list(threads.map(lambda i: in_process({**case, "number": i}), range(options.sharing)))
    slowest = max(taken["step"] for taken in together)
    gain = options.sharing * alone / slowest
    return f"{options.sharing} jobs of xlsr at a time do {gain:.2f} times the steps of one."


def row(title: str, case: dict, ours: dict) -> str:
    """One case beside ours."""
    return (
        f"| {title} | {case['epoch'] / case['steps_an_epoch']:.3f} | {case['utterances'] / case['epoch']:.2f} |"
        f" {case['memory'] / 1e9:.1f} | {case['epoch'] / ours['epoch']:.2f} | {case['predicted']:.2f} |"
        f" {ours['predicted'] / case['predicted']:.2f} |"
    )


def applies(settings: dict, model: str, device: str) -> bool:
    """Whether a thing is there to be taken away."""
    whisper = "whisper" in model
    if "context" in settings:
        return whisper
    if "settled" in settings:
        return not whisper
    return device == "cuda" or not {"precision", "rounded"} & settings.keys()


def describe(options) -> str:
    """The machine, in words."""
    import torch

    if options.device == "cuda":
        return f"{torch.cuda.get_device_name()}, bfloat16, torch {torch.__version__}"
    names = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("model name\t: ")
    name = names[1].split("\n")[0] if len(names) > 1 else platform.machine()
    return f"{os.cpu_count()} cores of {name}, float32, torch {torch.__version__}"


def in_process(case: dict) -> dict:
    """Run one case in a process of its own."""
    command = [sys.executable, __file__, "--case", json.dumps({**case, "launched": time.perf_counter()})]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def run_case(case: dict) -> dict:
    """What a process of its own does."""
    import torch

    torch.manual_seed(1)
    sides = {"checkpoint": make_checkpoint, "product": large_product, "ours": run_ours, "plain": run_plain}
    return sides[case["side"]](case, torch.device(case["device"]))


# --- What both sides get ----------------------------------------------------------------------


def make_checkpoint(case: dict, device) -> dict:
    """Save a random encoder, in Hugging Face format and as the workflow keeps it."""
    from safetensors.torch import save_file
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2Model,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperModel,
    )

    from ser.models import checkpoints

    family, settings, _ = MODELS[case["model"]]
    folder = Path(case["folder"])
    if family == "whisper":
        model, extractor = WhisperModel(WhisperConfig(**settings)), WhisperFeatureExtractor()
    else:
        with_mask = settings.get("feat_extract_norm") == "layer"
        model = Wav2Vec2Model(Wav2Vec2Config(**settings))
        extractor = Wav2Vec2FeatureExtractor(return_attention_mask=with_mask)
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    encoder = folder / "encoder"
    encoder.mkdir()
    for name in ("config.json", "preprocessor_config.json"):
        (encoder / name).write_bytes((folder / name).read_bytes())
    save_file(checkpoints.read_encoder(folder, family), encoder / "model.safetensors")
    return {}


def large_product(case: dict, device) -> dict:
    """Operations a second of the product of two large square matrices."""
    import torch

    on_gpu = device.type == "cuda"
    size, repetitions = (8192, 50) if on_gpu else (4096, 3)
    first, second = torch.randn(2, size, size, device=device, dtype=torch.bfloat16 if on_gpu else torch.float32)
    first @ second
    started = synchronised_time(device)
    for _ in range(repetitions):
        first @ second
    return {"flops": 2 * size**3 * repetitions / (synchronised_time(device) - started)}


def synchronised_time(device) -> float:
    """Seconds, when the device has done its work."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


class Epoch:
    """Batches of an epoch over IEMOCAP's lengths, some of which are run, with their audio in a file."""

    def __init__(self, case: dict, longest: float | None = None, whole: float | None = None):
        from ser.models.batching import random_batches

        generator = np.random.default_rng(1)
        seconds = generator.permutation(np.loadtxt(ROOT / "benchmarks" / "iemocap-seconds.txt"))
        padded = np.full(len(seconds), whole) if whole else np.minimum(seconds, longest or np.inf)
        samples = (seconds * SAMPLE_RATE).astype(int)
        if case.get("grouped", case["side"] == "ours"):
            batches = random_batches(samples, case["micro_batch"], generator)
        else:
            order = generator.permutation(len(samples))
            batches = np.array_split(order, math.ceil(len(order) / case["micro_batch"]))
        batches.sort(key=lambda batch: (padded[batch].max(), seconds[batch].sum()))
        taken = [int((i + 0.5) / case["batches"] * len(batches)) for i in range(case["batches"])]
        self.utterances, self.steps, self.seconds = len(seconds), len(batches), float(seconds.sum())
        self._all_padded = sum(len(batch) * padded[batch].max() for batch in batches)
        needed = np.concatenate([batches[i] for i in taken])
        place = {utterance: i for i, utterance in enumerate(needed)}
        self.batches = [np.array([place[utterance] for utterance in batches[i]]) for i in taken]
        of_batches = [float(len(batches[i]) * padded[batches[i]].max()) for i in taken]
        self.padded, self.longest = sum(of_batches), max(of_batches)
        self.samples = samples[needed]
        self.starts = np.concatenate([[0], np.cumsum(self.samples)[:-1]])
        self.padding = self._all_padded / self.seconds
        noise = np.random.default_rng(2).normal(0, 3000, self.samples.sum())
        self.audio = Path(case["folder"], f"audio-{case.get('number', 0)}.npy")
        np.save(self.audio, noise.astype(np.int16))

    def estimate(self, seconds: float) -> float:
        """Seconds of the whole epoch, from those of the batches that were run."""
        return seconds * self._all_padded / self.padded


def timed(work, batches: Sequence, device) -> float:
    """Seconds of some work on all batches, after a first time that does not count."""
    work(batches[0])
    started = synchronised_time(device)
    for batch in batches:
        work(batch)
    return synchronised_time(device) - started


def result(epoch: Epoch, seconds: float, predicted: float, device) -> dict:
    """What a case reports, `seconds` of its steps and `predicted` in an epoch's prediction."""
    return {
        "epoch": seconds,
        "utterances": epoch.utterances,
        "steps_an_epoch": epoch.steps,
        "memory": peak_memory(device),
        "predicted": epoch.utterances / predicted if predicted else None,
        "padded": epoch.padding,
    }


def peak_memory(device) -> int:
    """Bytes that were in use at most so far: the GPU's, or the process's."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# --- The two sides ----------------------------------------------------------------------------


def run_ours(case: dict, device) -> dict:
    """The workflow's own code, as its jobs call it."""
    from ser.legacy import lean_imports  # noqa: F401, isort: skip (before torch)
    from ser.core.constants import EMOTIONS
    from ser.models.encoder_classifier import count
    from ser.models.feature_store import Storage
    from ser.training import inference, loop

    epoch = Epoch(case, whole=30.0 if case.get("context") == "30s" else None)
    model = build_ours(case).to(device)
    start_up = synchronised_time(device) - case["launched"]
    precision = case.get("precision", "auto")
    storage = Storage(device, 16e9, case["folder"])
    read_ours(model, epoch, 1, storage)
    started = synchronised_time(device)
    frames = read_ours(model, epoch, len(epoch.samples), storage)
    settled = peak_memory(device)
    front_end = (synchronised_time(device) - started) * SAMPLE_RATE / epoch.samples.sum() * epoch.seconds

    def forward(batch, precision):
        inference.probabilities(model, [frames[i] for i in batch], len(batch), device, precision)

    predict = in_training = 0.0
    if case.get("predicts", True):  # before training, which may round what prediction needs
        predict = epoch.estimate(timed(lambda batch: forward(batch, "float32"), epoch.batches, device))
        in_training = epoch.estimate(timed(lambda batch: forward(batch, precision), epoch.batches, device))
    predicting = peak_memory(device)
    examples = loop.Examples(frames, [EMOTIONS[i % 4] for i in range(len(frames))])
    updates = loop.Updates(model, examples, {"learning_rate": 1e-4, "precision": precision}, device)
    model.train()
    taken = timed(lambda batch: updates.make(batch, seed=1), epoch.batches, device)
    steps = epoch.estimate(taken)
    found = result(epoch, steps + front_end * case.get("front_ends", 1) / EPOCHS, predict + front_end, device)
    parts = {"front_end": front_end, "step": steps, "forward": in_training, "predict": predict}
    return (
        found
        | {name: seconds / epoch.seconds for name, seconds in parts.items()}
        | {"start_up": start_up, "settled": settled, "predicting": predicting, "longest": epoch.longest}
        | {"frames": sum(own.values.nbytes for own in frames) * SAMPLE_RATE / float(epoch.samples.sum())}
        | {"parameters": getattr(model, "encoder_parameters", count(model))}
        | {"flops": operations(model, examples, epoch.batches) / taken}
    )


def operations(model, examples, batches) -> int:
    """Floating-point operations of our steps, by PyTorch's counter, on its device without data."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from ser.training.loop import Examples, Updates

    nowhere = torch.device("meta")
    frames = [own._replace(values=own.values.to(nowhere)) for own in examples.frames]
    settings = {"learning_rate": 1e-4, "precision": "float32"}
    updates = Updates(model.to(nowhere), Examples(frames, examples.emotions), settings, nowhere)
    with FlopCounterMode(display=False) as counter:
        for batch in batches:
            updates.make(batch, seed=1)
    return counter.get_total_flops()


def build_ours(case: dict):
    """The workflow's model, without whatever the case takes away."""
    from ser.models import families
    from ser.training import loop

    if case["model"] == "cnn-lstm":
        return families.load("cnn-lstm").build({})
    from ser.models import encoder_classifier

    if not case.get("settled", True):
        encoder_classifier.settle_constants = lambda encoder: None
    if not case.get("rounded", True):
        loop.round_frozen_matrices = lambda model: None
    defaults = {"weights": "pretrained", "context": "utterance", **TUNING["lora"]}
    settings = {key: case.get(key, default) for key, default in defaults.items()}
    model = families.load(MODELS[case["model"]][0]).build(settings, Path(case["folder"], "encoder"))
    for module in model.modules():
        if "attention" in case and hasattr(module, "config"):
            module.config._attn_implementation = case["attention"]
    return model


def read_ours(model, epoch: Epoch, count: int, storage) -> list:
    """Frames of the first utterances."""
    places = list(zip(epoch.starts, epoch.samples, strict=True))[:count]
    rows = [{"utterance": str(i), "start": str(a), "samples": str(n)} for i, (a, n) in enumerate(places)]
    path = epoch.audio
    if not hasattr(model, "encoder"):  # CNN-LSTM's log-mels come from a rule of their own
        from ser.models.log_mel_frames import BANDS, frame_count

        path = epoch.audio.with_name("log_mel.npy")
        frames = sum(frame_count(int(samples)) for samples in epoch.samples[:count])
        np.save(path, np.random.default_rng(1).standard_normal((frames, BANDS), np.float32))
    return model.read_frames(path, rows, [row["utterance"] for row in rows], storage)


def run_plain(case: dict, device) -> dict:
    """Stock classifiers, `get_peft_model`, a data loader."""
    from plain_loop import PlainLoop, Recordings

    family, _, targets = MODELS[case["model"]]
    epoch = Epoch(case, case.get("longest"), whole=30.0 if family == "whisper" else None)
    loop = PlainLoop(family, case["folder"], targets, RANK, device, bfloat16=device.type == "cuda")
    recordings = Recordings(np.load(epoch.audio, mmap_mode="r"), epoch.starts, epoch.samples, case.get("longest"))
    workers = 4 if device.type == "cuda" else 0

    def over(work, mode):
        loop.model.train(mode)
        for batch in loop.batches(recordings, epoch.batches[:1], 0):
            work(batch)
        started = synchronised_time(device)
        for batch in loop.batches(recordings, epoch.batches, workers):
            work(batch)
        return epoch.estimate(synchronised_time(device) - started)

    predicted = over(loop.predict, mode=False)
    return result(epoch, over(loop.step, mode=True), predicted, device)


if __name__ == "__main__":
    main()
