"""Check of a machine with a CUDA GPU: exactness, training, speed and memory.

    python benchmarks/gpu_check.py [--dry] [--output FOLDER] [--models NAME ...] [--skip exactness|speed]

Needs Python 3.11 or newer, PyTorch 2.9, transformers 5.15, peft, NumPy and PyYAML (or newer); no network, no audio
library, no Snakemake. Encoders have random weights; the exactness checks use two layers of their true width. Meant to
end within nine minutes: it starts no new model after six. Prints tables in Markdown, and writes them to
FOLDER/gpu-check.md and all numbers to FOLDER/gpu-check.json. A part that fails is reported, and the others go on; the
exit status is then 1. With --dry, all parts run on the CPU with tiny encoders, to check this script.
"""

import argparse
import gc
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import fine_tuning
import numpy as np
import peft
import torch
import transformers

from ser.core.constants import EMOTIONS
from ser.models.batching import pad
from ser.models.frame_storage import Storage
from ser.models.log_mel import BANDS, frame_count
from ser.models.trainable_state import trained_parameters
from ser.training import loop, numerics
from ser.training.data import Examples

RATE = 16_000
CNN_LSTM = "cnn-lstm"
SPEED = ("wav2vec2-base", "whisper-medium", "xlsr")  # in this order, should time run out
NO_DROPOUT = {
    "wav2vec2": ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout"),
    "whisper": ("dropout", "attention_dropout", "activation_dropout"),
}
TRAINING = {"epochs": 4, "patience": None, "batch_size": 16, "learning_rate": 1e-3, "precision": "auto"}
FLOAT32 = TRAINING | {"precision": "float32"}
# Largest allowed values. Float32 sums on a GPU and a CPU have another order; bfloat16 has 8 significant bits.
ALLOWED = {
    "logits, GPU against CPU, relative to the largest": 1e-4,
    "gradients, GPU against CPU, relative": 1e-3,
    "pooled vectors, GPU against CPU, relative to the largest": 1e-4,
    "probabilities, batched against alone": 1e-5,
    "probabilities, bfloat16 against float32": 0.05,
    "steps that wait for the GPU": 0,
    "losses of four steps, recorded against unrecorded, relative": 1e-3,
    "training loss, last epoch relative to first": 0.9,
    "weights, resumed against uninterrupted": 0,
    "loss, split after running out of memory, relative": 1e-3,
}


def main():
    options = parse()
    started = time.monotonic()
    report = Report(options.output)
    report.say(f"{describe(options)}; `{' '.join(['python', *sys.argv])}`")
    with tempfile.TemporaryDirectory() as folder:
        speed = [name for name in SPEED if name in options.models] if options.skip != "speed" else []
        workers = 2 if options.dry else len(options.models) + len(speed)
        with ProcessPoolExecutor(workers, get_context("spawn")) as processes:
            saved = {name: processes.submit(save_encoder, name, Path(folder, name), options.dry) for name in speed}
            if options.skip != "exactness":
                report.part("exactness and training", lambda: check_families(processes, Path(folder), options, report))
        for model, job in saved.items():
            if time.monotonic() - started > 60 * options.minutes:
                report.say(f"\n{model}: its speed was not measured, since the time is over.")
                continue

            def measure(model=model, job=job):
                job.result()  # raises what saving the encoder raised
                return measure_speed(model, Path(folder), options, report)

            report.part(f"speed of {model}", measure)
    report.say(f"\nTook {time.monotonic() - started:.0f} s. {report.verdict()}")
    sys.exit(1 if report.failures else 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry", action="store_true", help="run on the CPU, with tiny encoders")
    parser.add_argument("--output", type=Path, default=Path("gpu-check"), metavar="FOLDER")
    parser.add_argument(
        "--models", nargs="+", choices=[*fine_tuning.MODELS, CNN_LSTM], default=[*fine_tuning.MODELS, CNN_LSTM]
    )
    parser.add_argument("--skip", choices=["exactness", "speed"])
    parser.add_argument("--minutes", type=float, default=6, help="start no new model after this time (default: 6)")
    options = parser.parse_args()
    if not options.dry and not torch.cuda.is_available():
        parser.error("PyTorch sees no CUDA GPU; to try this script on the CPU, add --dry")
    options.device = "cpu" if options.dry else "cuda"
    return options


def describe(options) -> str:
    """Return the names of the device and of the software."""
    name = f"{os.cpu_count()} CPU cores (dry)" if options.dry else torch.cuda.get_device_name()
    versions = {"Python": platform.python_version(), "CUDA": torch.version.cuda, "torch": torch.__version__}
    versions |= {"transformers": transformers.__version__, "peft": peft.__version__}
    return ", ".join([name, *(f"{key} {value}" for key, value in versions.items() if value)])


class Report:
    """Markdown report, printed and written as it grows, with all numbers as JSON.

    Args:
        folder: is created.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._lines = folder, []
        self.numbers, self.failures = {}, []

    def say(self, line: str) -> None:
        """Print and write a line."""
        print(line, flush=True)
        self._lines.append(line)
        (self._folder / "gpu-check.md").write_text("\n".join(self._lines) + "\n", encoding="utf-8")
        (self._folder / "gpu-check.json").write_text(json.dumps(self.numbers, indent=1), encoding="utf-8")

    def part(self, title: str, work: Callable[[], object]) -> None:
        """Do a part, and keep its numbers or its failure."""
        started = time.monotonic()
        try:
            self.numbers[title] = work()
            self.say(f"\n({title}: {time.monotonic() - started:.0f} s)")
        except Exception as error:
            traceback.print_exc()
            self.failures.append(title)
            self.say(f"\n**{title} FAILED**: {type(error).__name__}: {str(error)[:500]}")

    def verdict(self) -> str:
        """Return a sentence on what failed."""
        return f"FAILED: {'; '.join(self.failures)}." if self.failures else "Everything passed."


# --- Exactness and training -------------------------------------------------------------------


def check_families(processes: Executor, folder: Path, options, report: Report) -> list[dict]:
    """Check the families side by side, and print a table of the measured values."""
    names = options.models
    families = {name: family for name, (family, *_) in fine_tuning.MODELS.items()} | {CNN_LSTM: CNN_LSTM}
    jobs = [
        processes.submit(check_family, name, families[name], folder / f"{name}-2-layers", options.device)
        for name in names
    ]
    checks = [check for name, job in zip(names, jobs, strict=True) for check in checks_of(name, job)]
    report.say("\n## Exactness and training\n")
    report.say(f"| | {' | '.join(names)} | allowed |\n|---|{'---:|' * (len(names) + 1)}")
    for title, allowed in ALLOWED.items():
        found = {check["model"]: check for check in checks if check["check"] == title}
        cells = [cell(found.get(name)) for name in names]
        report.say(f"| {title} | {' | '.join(cells)} | {allowed:g} |")
    for check in checks:
        if not check["passed"]:
            report.failures.append(f"{check['model']}: {check['check']}")
            report.say(f"\n**{check['model']}: {check['check']}** FAILED: {check['problem'] or check['value']}")
    return checks


def checks_of(name: str, job: Future) -> list[dict]:
    """Return the checks of a family, or one that failed if it ended with an error."""
    try:
        return job.result()
    except Exception:
        problem = traceback.format_exc()[-1500:]
        return [{"model": name, "check": "all checks", "value": None, "passed": False, "problem": problem}]


def cell(check: dict | None) -> str:
    """Return the table cell of a check, empty if the family has none."""
    if check is None:
        return ""
    return "FAILED" if check["value"] is None else f"{check['value']:.2g}" + ("" if check["passed"] else " !")


def check_family(name: str, family: str, folder: Path, device_type: str) -> list[dict]:
    """Run all checks of a family in this process."""
    torch.set_num_threads(1)
    numerics.choose_gpu_kernels()
    numerics.make_deterministic()
    subject, results = Subject(name, family, folder, torch.device(device_type)), []
    for title, allowed in ALLOWED.items():
        check = subject.checks()[title]
        if check is None:
            continue
        value = problem = None
        try:
            value = check()
        except Exception:
            problem = traceback.format_exc()[-1500:]
        passed = value is not None and value <= allowed
        results.append({"model": name, "check": title, "value": value, "passed": passed, "problem": problem})
    return results


class Subject:
    """Model of a family, with LoRA, and utterances of four classes.

    Args:
        folder: for the checkpoint and the audio; is created.
    """

    def __init__(self, name: str, family: str, folder: Path, device):
        self.family, self.folder, self.device = family, folder, device
        self.dry, self.has_encoder = device.type == "cpu", family != CNN_LSTM
        folder.mkdir()
        if self.has_encoder:
            _, settings, _ = fine_tuning.MODELS[name]
            settings = settings | dict.fromkeys(NO_DROPOUT["whisper" if family == "whisper" else "wav2vec2"], 0.0)
            settings |= {"encoder_layers" if family == "whisper" else "num_hidden_layers": 2}
            fine_tuning.save_checkpoint(folder, family, settings | (fine_tuning.tiny(family) if self.dry else {}))
        self.train = self.examples(32, self.build())
        self.dev = self.examples(8, self.build())

    def build(self, method: str = "lora", weights: str = "pretrained"):
        """Return the model on the CPU, without dropout."""
        tuning = {"method": method, "rank": 16, "alpha": 16, "modules": "feed-forward"}
        settings = {"family": self.family, "weights": weights, "context": "utterance"}
        settings |= {"tuning": tuning, "pooling": {"layers": "last"}}
        model = loop.initialise(settings, self.folder / "encoder", seed=1)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        return model

    def examples(self, count: int, model):
        """Return utterances for a model: a tone in noise, of another frequency in every class."""
        seconds = [0.4, 0.5, 0.7] if self.dry else [1.0, 2.3, 5.0]
        storage = Storage(self.device, 16e9, self.folder)
        rng, frames, pieces = np.random.default_rng(count), [], []
        samples = [int(RATE * seconds[i % len(seconds)]) for i in range(count)]
        for i, length in enumerate(samples):
            tone = np.sin(2 * np.pi * 300 * (1 + i % 4) * np.arange(length) / RATE)
            pieces.append(np.rint(3000 * (tone + rng.normal(0, 0.3, length))).astype(np.int16))
        path = self.folder / f"{count}.npy"
        if self.has_encoder:
            starts = np.cumsum([0, *map(len, pieces)])
            np.save(path, np.concatenate(pieces))
        else:  # log-mel frames, which the workflow computes on a CPU beforehand
            np.save(path, rng.normal(0, 1, (sum(map(frame_count, samples)), BANDS)).astype(np.float32))
            starts = [0] * count
        rows = [
            {"utterance": str(i), "start": str(start), "samples": str(length)}
            for i, (start, length) in enumerate(zip(starts, samples, strict=False))
        ]
        frames = model.to(self.device).read_frames(path, rows, {row["utterance"] for row in rows}, storage)
        if not self.has_encoder:
            for i, own in enumerate(frames):
                own.values[:, 16 * (i % 4) : 16 * (i % 4 + 1)] += 0.5
        return Examples(frames, [EMOTIONS[i % 4] for i in range(count)], samples)

    def checks(self) -> dict[str, Callable[[], float] | None]:
        """Return the checks by title, None for those that the family does not have."""
        divisible = self.has_encoder  # CNN-LSTM's batches are not, because of its batch norm
        return {
            "logits, GPU against CPU, relative to the largest": lambda: difference(*self.on_both(self.logits)),
            "gradients, GPU against CPU, relative": self.gradients_against_cpu,
            "pooled vectors, GPU against CPU, relative to the largest": self.pooled if self.has_encoder else None,
            "probabilities, batched against alone": self.batched_against_alone,
            "probabilities, bfloat16 against float32": self.bfloat16_against_float32,
            "steps that wait for the GPU": self.waiting_steps,
            "losses of four steps, recorded against unrecorded, relative": self.recorded_against_unrecorded,
            "training loss, last epoch relative to first": self.training_loss,
            "weights, resumed against uninterrupted": self.resumed_against_uninterrupted,
            "loss, split after running out of memory, relative": self.split_loss if divisible else None,
        }

    def on_both(self, compute: Callable) -> list:
        """Return what is computed from the model and the frames, on the device and on the CPU."""
        found = []
        for device in (self.device, torch.device("cpu")):
            frames = [own._replace(values=own.values.to(device)) for own in self.train.frames]
            found.append(compute(self.build().to(device), frames, device))
        return found

    def logits(self, model, frames, device):
        """Return logits of the first utterances, float32."""
        with torch.no_grad():
            return model.eval()(*pad(frames[:6], device)).cpu()

    def gradients_against_cpu(self) -> float:
        """Return the largest relative difference of a parameter's gradient."""

        def compute(model, frames, device):
            logits = model.train()(*pad(frames[:8], device))
            torch.nn.functional.cross_entropy(logits, torch.arange(8, device=device) % 4).backward()
            return {n: p.grad.cpu() for n, p in trained_parameters(model).items() if p.grad is not None}

        ours, expected = self.on_both(compute)
        largest = max(gradient.norm() for gradient in expected.values())
        return max(float((ours[name] - own).norm() / max(own.norm(), 1e-3 * largest)) for name, own in expected.items())

    def pooled(self) -> float:
        """Return the difference of a frozen encoder's vectors."""
        ours, expected = self.on_both(
            lambda _, frames, device: self.build().encoder.to(device).pooled(frames[:8], device)
        )
        return float(np.abs(ours - expected).max() / np.abs(expected).max())

    def probabilities(self, batch_size: int, precision: str = "float32") -> np.ndarray:
        """Predict the development utterances on the device."""
        model = self.build().to(self.device)
        with numerics.autocast_context(self.device, precision):
            embedded = model.embed_all(self.dev.frames, batch_size, self.device)
            return model.classify_all(embedded, self.device).double().softmax(dim=-1).numpy()

    def batched_against_alone(self) -> float:
        """Return the largest difference of a probability."""
        return float(np.abs(self.probabilities(8) - self.probabilities(1)).max())

    def bfloat16_against_float32(self) -> float:
        """Return the largest difference of a probability."""
        return float(np.abs(self.probabilities(8, "bfloat16") - self.probabilities(8)).max())

    def waiting_steps(self) -> int:
        """Return 0, or raise an error if a step waits for the GPU; the first may, and the second is recorded."""
        updates = self.updates(self.build(), TRAINING)
        for seed in (1, 2):
            updates.make(np.arange(16), seed)
        with errors_of_waiting(self.device):
            updates.make(np.arange(16), seed=3)
        self.assert_recorded(updates)
        return 0

    def assert_recorded(self, updates) -> None:
        """Raise an error if no step was recorded: all checks would pass without recordings, too."""
        if self.has_encoder and not self.dry:
            assert updates.recorded.count, "no step was recorded"

    def updates(self, model, settings: dict, train=None):
        """Return the updates of a model on the device."""
        release_memory()  # else recordings of earlier checks may be deleted during a recording, which ends it
        return loop.Updates(model.to(self.device).train(), train or self.train, settings, self.device)

    def recorded_against_unrecorded(self) -> float:
        """Return the difference that recording makes to losses. Raises an error if dropout does not follow the seed."""

        def losses(model, train, rate, seeds):
            updates = self.updates(model, FLOAT32 | {"learning_rate": rate}, train)
            found = [float(updates.make(batch, seed)) for seed in seeds]
            if getattr(model, "recordable", False):
                self.assert_recorded(updates)
            return found

        batch = np.flatnonzero(np.arange(32) % 3 < 2)[:16]  # without the longest, so that padding is rounded
        differences = []
        kinds = [("lora", "pretrained"), ("full", "pretrained"), ("full", "random")]
        for kind in kinds if self.has_encoder else kinds[:1]:
            recorded, unrecorded = self.build(*kind), self.build(*kind)
            train, unrecorded.recordable = self.examples(32, self.build(*kind)), False
            found, expected = (losses(model, train, 1e-4, range(4)) for model in (recorded, unrecorded))
            differences += [abs(ours / own - 1) for ours, own in zip(found, expected, strict=True)]
        if self.has_encoder:
            model = self.build()
            for module in model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.1
            *_, same, other, again = losses(model, self.train, 0.0, [0, 1, 1, 2, 1])
            assert same == again != other, f"losses {same}, {again} with one seed, {other} with another"
        return max(differences)

    def fine_tune(self, state: str, **changes):
        """Train as a job does, and return its progress."""
        release_memory()
        return loop.fine_tune(
            self.build(),
            self.train,
            self.dev,
            settings=TRAINING | changes,
            seed=1,
            device=self.device,
            state_path=self.folder / f"{state}.safetensors",
            fingerprint="gpu-check",
            started=time.perf_counter(),
        )

    def training_loss(self) -> float:
        """Return by how much the training loss falls, in the device's usual precision."""
        # random layers of width 32 hardly tell Whisper's utterances apart, and need larger steps
        history = self.fine_tune("loss", epochs=15, learning_rate=1e-2 if self.dry else 1e-3).history
        return history[-1]["train_loss"] / history[0]["train_loss"]

    def resumed_against_uninterrupted(self) -> float:
        """Return the largest difference after the same epochs, of which the first are done by another run."""
        whole = self.fine_tune("whole")
        self.fine_tune("resumed", epochs=3)  # leaves its state after two epochs
        resumed = self.fine_tune("resumed")
        assert resumed.epochs_done == 4
        weights = [float((resumed.best_weights[n] - own).abs().max()) for n, own in whole.best_weights.items()]
        losses = [abs(a["train_loss"] - b["train_loss"]) for a, b in zip(whole.history, resumed.history, strict=True)]
        return max(weights + losses)

    def split_loss(self) -> float:
        """Return the difference that a limit on memory makes to an unrecorded step's loss; a CPU has no limit here."""
        batch = np.arange(32)

        def step(limit=None):
            model = self.build()
            model.recordable = False  # a recording needs memory of its own
            updates = self.updates(model, FLOAT32)
            with memory_limit(limit):
                loss = float(updates.make(batch, seed=1))
            return loss, updates.splits

        if self.dry:
            return abs(step()[0] / step()[0] - 1)
        release_memory()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        expected, splits = step()
        needed = torch.cuda.max_memory_allocated() - before
        loss, split = step(limit=before + 0.6 * needed)
        assert split > splits, f"the batch was not split with 0.6 of {needed / 1e6:.0f} MB"
        return abs(loss / expected - 1)


def difference(ours, expected) -> float:
    """Return the largest difference, relative to the largest value."""
    return float((ours - expected).abs().max() / expected.abs().max())


@contextmanager
def errors_of_waiting(device) -> Iterator[None]:
    """Make CUDA raise an error where the CPU waits for it."""
    if device.type == "cpu":
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def release_memory() -> None:
    """Return unused memory to the GPU, such as that of earlier checks' recorded steps."""
    gc.collect()
    torch.cuda.empty_cache()


@contextmanager
def memory_limit(limit: float | None) -> Iterator[None]:
    """Let PyTorch allocate at most this number of bytes on the GPU."""
    if limit is None:
        yield
        return
    release_memory()
    torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.get_device_properties(0).total_memory)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


# --- Speed ------------------------------------------------------------------------------------


def save_encoder(name: str, folder: Path, tiny: bool) -> None:
    """Save a random encoder of a model's size, or a tiny one."""
    fine_tuning.make_checkpoint({"model": name, "folder": folder, "tiny": tiny}, None)


def measure_speed(model: str, folder: Path, options, report: Report) -> dict:
    """Measure speed and memory against the plain loop; for XLSR, also eight jobs at a time."""
    settings = SimpleNamespace(
        device=options.device,
        micro_batch=2 if options.dry else 16,
        batches=1 if options.dry else 12,
        tiny=options.dry,
        brief=True,
        sharing=2 if options.dry else 8,
    )
    cases = fine_tuning.measure_model(model, folder / model, settings, report.say)
    if model == "xlsr":
        cases["sharing"] = fine_tuning.measure_concurrent_jobs(settings, cases["ours"]["step"], str(folder))
        report.say(f"\n{cases['sharing']}")
    return cases


if __name__ == "__main__":
    main()
