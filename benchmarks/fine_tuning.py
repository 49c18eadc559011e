"""Fine-tuning and prediction, compared with the usual transformers and peft loop.

    python benchmarks/fine_tuning.py [--models wav2vec2-base hubert-base ...] [--device cpu|cuda] [--output FILE]

Encoders have their true sizes and random weights. Recordings are noise with the lengths of IEMOCAP's 5531
(iemocap-seconds.txt). Every case runs in its own process. An epoch's time is estimated, in proportion to padded
seconds, from batches at equal steps in the order of padded length: many on a GPU, few on a CPU. The workflow computes
the frontend once per run; an epoch is charged its share of that time. Times include reading and features. Prints
tables in Markdown.
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
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from plain_loop import PlainLoop, Recordings
from safetensors.torch import save_file
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModel, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from ser.core.constants import EMOTIONS  # noqa: E402
from ser.models import checkpoints, encoder_classifier  # noqa: E402
from ser.models.batching import random_batches  # noqa: E402
from ser.models.frame_storage import Storage  # noqa: E402
from ser.training import loop, numerics  # noqa: E402
from ser.training.data import Examples  # noqa: E402

SAMPLE_RATE, EPOCHS, RANK = 16_000, 5, 16
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
DROPOUTS = {"activation_dropout": 0.0, "feat_proj_dropout": 0.1}  # published values, unlike transformers' defaults
MODELS = {  # family, changes to transformers' defaults (wav2vec2-base's), linear layers with LoRA
    "wav2vec2-base": ("wav2vec2", DROPOUTS, ("intermediate_dense", "output_dense")),
    "hubert-base": ("hubert", DROPOUTS, ("intermediate_dense", "output_dense")),
    "wavlm-base": ("wavlm", DROPOUTS, ("intermediate_dense", "output_dense")),
    "unispeech-sat-base": ("unispeech-sat", DROPOUTS, ("intermediate_dense", "output_dense")),
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
            "decoder_layers": 1,  # the decoder is not used
            "decoder_attention_heads": 16,
        },
        ("fc1", "fc2"),
    ),
}
CPU_MICRO_BATCHES = {"xlsr": 4, "whisper-medium": 2}  # utterances; for models of base size 8
# With --tiny, to try the benchmark itself
TINY_WAVEFORM_ENCODER = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "num_conv_pos_embedding_groups": 4,
}
TINY_WHISPER = {
    "d_model": 32,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_attention_heads": 2,
}
PLAIN = {
    "a: padded, random batches": {},
    "b: padded, grouped by length": {"grouped": True},
    "c: cut at 6 s, random batches": {"longest": 6.0},
}


def main():
    options = parse()
    if options.case:
        print(json.dumps(run_case(json.loads(options.case))))
        return
    device, report = describe(options), []
    say = functools.partial(emit, report, options.output)
    say(f"{device}; {options.batches} batches per epoch; `{' '.join(['python', *sys.argv])}`\n")
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models:
            cases = measure_model(model, Path(folder, model), options, say)
            if model == "xlsr" and options.sharing > 1:
                say(measure_concurrent_jobs(options, cases["ours"]["step"], folder))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if Path("/dev/nvidia0").exists() else "cpu")
    parser.add_argument("--micro-batch", type=int, help="number of utterances; default: 16 on a GPU, fewer on a CPU")
    parser.add_argument("--batches", type=int, help="number of batches per epoch; default: 40 on a GPU, 3 on a CPU")
    parser.add_argument("--sharing", type=int, default=1, help="also measure this number of concurrent jobs")
    parser.add_argument("--brief", action="store_true", help="compare with random batches only")
    parser.add_argument("--tiny", action="store_true", help="use tiny encoders, to try the benchmark itself")
    parser.add_argument("--output", type=Path, help="also write the tables to this file")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.batches = options.batches or (40 if options.device == "cuda" else 3)
    return options


def emit(report: list[str], path: Path | None, line: str) -> None:
    """Print a line, and write all lines so far to a file."""
    print(line, flush=True)
    report.append(line)
    if path:
        path.write_text("\n".join(report) + "\n", encoding="utf-8")


def micro_batch(model: str, options) -> int:
    """Return the number of utterances in a micro-batch."""
    return options.micro_batch or (16 if options.device == "cuda" else CPU_MICRO_BATCHES.get(model, 8))


def common_settings(model: str, folder: Path, options) -> dict:
    """Return the settings that all cases of a model share."""
    common = {"model": model, "folder": str(folder), "device": options.device}
    return common | {"micro_batch": micro_batch(model, options), "batches": options.batches, "tiny": options.tiny}


def measure_model(name: str, folder: Path, options, say) -> dict[str, dict]:
    """Measure all cases of a model, print a table, and return the cases by name."""
    common = common_settings(name, folder, options)
    if not folder.exists():
        in_process({**common, "side": "checkpoint"})
    say(f"\n### {name}, batches of {common['micro_batch']}\n")
    say("| | s a step | utterances/s | peak memory GB | times ours | predicted utterances/s | times ours |")
    say("|---|---:|---:|---:|---:|---:|---:|")
    ours = in_process({**common, "side": "ours"})
    say(row("ours", ours, ours))
    cases = {"ours": ours}
    for title, settings in comparisons(name, options).items():
        cases[title] = in_process({**common, **settings})
        say(row(title, cases[title], ours))
    say(
        f"\nOurs: {ours['padded']:.2f} padded seconds per second of speech; {ours['start_up']:.1f} s of start-up; for"
        f" 10 s of speech the feature extractor takes {10 * ours['frontend']:.3f} s, steps {10 * ours['step']:.3f} s."
        f" Steps do {ours['flops'] / 1e9:.0f} GFLOP/s,"
        f" {100 * ours['flops'] / ours['product']:.0f} % of the {ours['product'] / 1e9:.0f} GFLOP/s that a large matrix"
        " product reaches here."
    )
    if "busy" in ours:
        plain = cases["a: padded, random batches"]
        say(
            f"\nThe GPU computes in {100 * ours['busy']:.0f} % of the time of a step, in {ours['kernels_a_step']:.0f}"
            f" kernels. The first pass over these batches took {ours['first']:.1f} times as long, the second, which"
            f" records them, {ours['recording']:.1f} times. PyTorch reserved {ours['reserved'] / 1e9:.1f} GB of the GPU"
            f" at most, in loop a {plain['reserved'] / 1e9:.1f} GB. Slowest kernels, in % of a step:\n"
        )
        for kernel, share in ours["slowest_kernels"].items():
            say(f"- {100 * share:.1f} %: `{kernel}`")
    return cases


def comparisons(name: str, options) -> dict[str, dict]:
    """Return the cases that are compared with ours, by title."""
    # Whisper's extractor always pads to 30 s: neither grouping nor cutting changes anything
    count = 1 if options.brief or "whisper" in name else None
    plain = {title: {"side": "plain", **settings} for title, settings in list(PLAIN.items())[:count]}
    if options.brief:
        without = {"ours without CUDA graphs": {"side": "ours", "recordable": False}}
        return plain | (without if options.device == "cuda" else {})
    context = {"ours with `context: 30s`": {"side": "ours", "context": "30s"}} if "whisper" in name else {}
    return plain | {"ours, once more": {"side": "ours"}} | context


def measure_concurrent_jobs(options, alone: float, folder: str) -> str:
    """Return a sentence on the speed of concurrent jobs."""
    case = common_settings("xlsr", Path(folder, "xlsr"), options) | {"side": "ours", "predicts": False}
    with ThreadPoolExecutor() as threads:
        together = list(threads.map(lambda i: in_process({**case, "number": i}), range(options.sharing)))
    slowest = max(taken["step"] for taken in together)
    gain = options.sharing * alone / slowest
    return f"{options.sharing} concurrent jobs of xlsr do {gain:.2f} times the steps of one."


def row(title: str, case: dict, ours: dict) -> str:
    """Return the table row of a case compared with ours."""
    return (
        f"| {title} | {case['epoch'] / case['steps_an_epoch']:.3f} | {case['utterances'] / case['epoch']:.2f} |"
        f" {case['memory'] / 1e9:.1f} | {case['epoch'] / ours['epoch']:.2f} | {case['predicted']:.2f} |"
        f" {ours['predicted'] / case['predicted']:.2f} |"
    )


def describe(options) -> str:
    """Return a description of the machine."""
    if options.device == "cuda":
        return f"{torch.cuda.get_device_name()}, bfloat16, torch {torch.__version__}"
    names = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("model name\t: ")
    name = names[1].split("\n")[0] if len(names) > 1 else platform.machine()
    return f"{os.cpu_count()} cores of {name}, float32, torch {torch.__version__}"


def in_process(case: dict) -> dict:
    """Run one case in its own process."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    command = [sys.executable, __file__, "--case", json.dumps({**case, "launched": time.perf_counter()})]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def run_case(case: dict) -> dict:
    """Run one case in this process."""
    torch.manual_seed(1)
    sides = {"checkpoint": make_checkpoint, "ours": run_ours, "plain": run_plain}
    return sides[case["side"]](case, torch.device(case["device"]))


# --- Shared by both sides ---------------------------------------------------------------------


def make_checkpoint(case: dict, device) -> dict:
    """Save the random encoder of a case."""
    family, settings, _ = MODELS[case["model"]]
    save_checkpoint(Path(case["folder"]), family, settings | (tiny(family) if case["tiny"] else {}))
    return {}


def tiny(family: str) -> dict:
    """Return settings of a tiny encoder."""
    return TINY_WHISPER if family == "whisper" else TINY_WAVEFORM_ENCODER


def save_checkpoint(folder: Path, family: str, settings: dict) -> None:
    """Save a random encoder in Hugging Face format, and in the workflow's format in `encoder/`."""
    model = AutoModel.from_config(AutoConfig.for_model(family, **settings))
    if family == "whisper":
        extractor = WhisperFeatureExtractor()
    else:
        extractor = Wav2Vec2FeatureExtractor(return_attention_mask=settings.get("feat_extract_norm") == "layer")
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    encoder = folder / "encoder"
    encoder.mkdir()
    for name in ("config.json", "preprocessor_config.json"):
        (encoder / name).write_bytes((folder / name).read_bytes())
    save_file(checkpoints.load(str(folder), None, family).encoder.state_dict(), encoder / "model.safetensors")


def large_product(device, tiny: bool) -> float:
    """Return operations per second of the product of two large square matrices."""
    on_gpu = device.type == "cuda"
    size, products = (256, 3) if tiny else (8192, 50) if on_gpu else (4096, 3)
    first, second = torch.randn(2, size, size, device=device, dtype=torch.bfloat16 if on_gpu else torch.float32)
    first @ second
    started = synchronised_time(device)
    for _ in range(products):
        first @ second
    return 2 * size**3 * products / (synchronised_time(device) - started)


def synchronised_time(device) -> float:
    """Return the time in seconds after the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


class Epoch:
    """Batches of an epoch with IEMOCAP's lengths; some are run, with audio in a file."""

    def __init__(self, case: dict, longest: float | None = None, whole: float | None = None):
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
        self._padded = [float(len(batches[i]) * padded[batches[i]].max()) for i in taken]
        self.samples = samples[needed]
        self.starts = np.concatenate([[0], np.cumsum(self.samples)[:-1]])
        self.padding = self._all_padded / self.seconds
        noise = np.random.default_rng(2).normal(0, 3000, self.samples.sum())
        self.audio = Path(case["folder"], f"audio-{case.get('number', 0)}.npy")
        np.save(self.audio, noise.astype(np.int16))

    def estimate(self, cost: float, every: int = 1) -> float:
        """Return the estimated cost (seconds or operations) of the whole epoch from that of every n-th run batch."""
        return cost * self._all_padded / sum(self._padded[::every])


def seconds_of(work, batches: Sequence, device) -> float:
    """Return the seconds of some work on batches."""
    started = synchronised_time(device)
    for batch in batches:
        work(batch)
    return synchronised_time(device) - started


def timed(work, batches: Sequence, device) -> float:
    """Return the seconds of some work on all batches, after a warm-up.

    A GPU loads a kernel when it first meets a shape that needs it, so there the warm-up does all batches.
    """
    seconds_of(work, batches if device.type == "cuda" else batches[:1], device)
    return seconds_of(work, batches, device)


def result(epoch: Epoch, seconds: float, predicted: float, device) -> dict:
    """Return a case's report from the seconds of an epoch's steps and of prediction."""
    return {
        "epoch": seconds,
        "utterances": epoch.utterances,
        "steps_an_epoch": epoch.steps,
        "memory": peak_memory(device),
        "reserved": reserved_memory(device),
        "predicted": epoch.utterances / predicted if predicted else None,
        "padded": epoch.padding,
    }


def peak_memory(device) -> int:
    """Return the peak memory in bytes of the GPU or of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reserved_memory(device) -> int | None:
    """Return the bytes of the GPU that PyTorch kept from other processes at most, or None on a CPU."""
    return torch.cuda.max_memory_reserved() if device.type == "cuda" else None


# --- The two sides ----------------------------------------------------------------------------


def run_ours(case: dict, device) -> dict:
    """Run the workflow's code as its jobs do."""
    numerics.choose_gpu_kernels()
    epoch = Epoch(case, whole=30.0 if case.get("context") == "30s" else None)
    model = build_ours(case).to(device)
    start_up = synchronised_time(device) - case["launched"]
    storage = Storage(device, 16e9, case["folder"])
    read_ours(model, epoch, len(epoch.samples) if device.type == "cuda" else 1, storage)  # warm-up
    started = synchronised_time(device)
    frames = read_ours(model, epoch, len(epoch.samples), storage)
    frontend = (synchronised_time(device) - started) * SAMPLE_RATE / epoch.samples.sum() * epoch.seconds

    def predict(batch):
        model.classify_all(model.embed_all([frames[i] for i in batch], len(batch), device), device)

    predicting = 0.0
    if case.get("predicts", True):
        predicting = epoch.estimate(timed(predict, epoch.batches, device))
    examples = Examples(frames, [EMOTIONS[i % 4] for i in range(len(frames))], epoch.samples)
    settings = {"batch_size": case["micro_batch"], "learning_rate": 1e-4, "precision": "auto"}
    updates = loop.Updates(model, examples, settings, device)
    model.train()
    step = functools.partial(updates.make, seed=1)
    passes = 2 if device.type == "cuda" else 0  # the second records
    before = [seconds_of(step, epoch.batches, device) for _ in range(passes)]
    taken = timed(step, epoch.batches, device)
    steps = epoch.estimate(taken)
    on_gpu = {} if device.type == "cpu" else behaviour_on_gpu(step, epoch.batches, before, taken, device)
    found = result(epoch, steps + frontend / EPOCHS, predicting + frontend, device)
    parts = {"frontend": frontend, "step": steps, "predict": predicting}
    return (
        found
        | {name: seconds / epoch.seconds for name, seconds in parts.items()}
        | {"start_up": start_up, "product": large_product(device, case["tiny"])}
        | on_gpu
        | {"flops": operations(model, examples, epoch) * epoch.steps / steps}
    )


def behaviour_on_gpu(step, batches: Sequence, before: list[float], taken: float, device) -> dict:
    """Return what shows where the time of steps goes, relative to the time of repeated steps.

    Args:
        before: seconds of the first and the second pass over the same batches.
        taken: seconds of repeated steps.
    """
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        for batch in batches:
            step(batch)
        torch.cuda.synchronize()
    kernels = [
        event for event in profiler.events() if event.device_type == DeviceType.CUDA and not event.is_user_annotation
    ]
    spent = {}
    for kernel in kernels:
        spent[kernel.name] = spent.get(kernel.name, 0) + kernel.self_device_time_total / 1e6
    slowest = sorted(spent.items(), key=lambda item: -item[1])[:12]
    return {
        "first": before[0] / taken,
        "recording": before[1] / taken,
        "busy": sum(spent.values()) / taken,
        "kernels_a_step": len(kernels) / len(batches),
        "slowest_kernels": {name[:100]: seconds / taken for name, seconds in slowest},
    }


def operations(model, examples, epoch: Epoch) -> float:
    """Return the mean floating-point operations of a step, counted on PyTorch's meta device for three batches."""
    meta = torch.device("meta")
    frames = [own._replace(values=own.values.to(meta)) for own in examples.frames]
    settings = {"learning_rate": 1e-4, "precision": "float32"}
    updates = loop.Updates(model.to(meta), Examples(frames, examples.emotions, examples.samples), settings, meta)
    every = math.ceil(len(epoch.batches) / 3)
    with FlopCounterMode(display=False) as counter:
        for batch in epoch.batches[::every]:
            updates.make(batch, seed=1)
    return epoch.estimate(counter.get_total_flops(), every) / epoch.steps


def build_ours(case: dict):
    """Return the workflow's model in the case's variant."""
    lora = {"method": "lora", "rank": RANK, "alpha": RANK, "modules": "feed-forward"}
    defaults = {"weights": "pretrained", "context": "utterance", "tuning": lora, "pooling": {"layers": "last"}}
    settings = {"family": MODELS[case["model"]][0]} | {key: case.get(key, own) for key, own in defaults.items()}
    model = encoder_classifier.build(settings, Path(case["folder"], "encoder"))
    model.recordable = case.get("recordable", True)
    return model


def read_ours(model, epoch: Epoch, count: int, storage) -> list:
    """Return frames of the first utterances."""
    places = list(zip(epoch.starts, epoch.samples, strict=True))[:count]
    rows = [{"utterance": str(i), "start": str(a), "samples": str(n)} for i, (a, n) in enumerate(places)]
    return model.read_frames(epoch.audio, rows, [row["utterance"] for row in rows], storage)


def run_plain(case: dict, device) -> dict:
    """Run a stock classifier with `get_peft_model` and a data loader."""
    family, _, targets = MODELS[case["model"]]
    epoch = Epoch(case, case.get("longest"), whole=30.0 if family == "whisper" else None)
    plain = PlainLoop(family, case["folder"], targets, RANK, device, bfloat16=device.type == "cuda")
    recordings = Recordings(np.load(epoch.audio, mmap_mode="r"), epoch.starts, epoch.samples, case.get("longest"))
    workers = 4 if device.type == "cuda" else 0

    def over(work, mode):
        plain.model.train(mode)
        for batch in plain.batches(recordings, epoch.batches if device.type == "cuda" else epoch.batches[:1], workers):
            work(batch)
        started = synchronised_time(device)
        for batch in plain.batches(recordings, epoch.batches, workers):
            work(batch)
        return epoch.estimate(synchronised_time(device) - started)

    predicted = over(plain.predict, mode=False)
    return result(epoch, over(plain.step, mode=True), predicted, device)


if __name__ == "__main__":
    main()
