"""What a job costs before it is run: time and memory by model size and speech, from `resources/costs.yaml`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

FRAMES_SHARE = 0.5  # of a job's memory, for the frames that it keeps: `ser.models.memory.SHARE`, which needs torch
FLOAT32 = 4  # bytes
HEAD = 256  # hidden units
WHOLE_CONTEXT = 30.0  # seconds, of Whisper's stock encoder
FRAMES_A_SECOND = 50
POOLED_TOGETHER = 16  # utterances: of `ser.models.encoder_classifier`, which needs torch
PREDICTION_ROW = 90  # bytes of an utterance
TRAINED_COPIES = 5  # of what is trained: weights, gradients, Adam's two averages, the best epoch


@dataclass(frozen=True)
class Speech:
    """Utterances: how many, and their seconds in all and of the longest."""

    utterances: float
    seconds: float
    longest: float

    def part(self, share: float) -> "Speech":
        """A share of them, which may hold the longest."""
        return Speech(self.utterances * share, self.seconds * share, self.longest)

    def some(self, utterances: int) -> "Speech":
        """So many of them."""
        return self.part(utterances / self.utterances)

    def __add__(self, other: "Speech") -> "Speech":
        return Speech(
            self.utterances + other.utterances, self.seconds + other.seconds, max(self.longest, other.longest)
        )


@dataclass(frozen=True)
class Encoder:
    """An encoder's parameters, the width and layers of its transformer, and bytes to download (0 if it is there)."""

    parameters: int
    width: int
    layers: int
    bytes: int = 0


@dataclass(frozen=True)
class Cost:
    """Of a job: seconds of wall time, bytes of main memory at most, of which for frames, and bytes that it leaves."""

    seconds: float
    memory: float
    frames: float = 0.0
    written: float = 0.0
    downloaded: float = 0.0


@dataclass(frozen=True)
class Rates:
    """An entry of the table: see there."""

    parameters: float
    start_up: float
    front_end: float
    step: float
    forward: float
    predict: float
    update: float = 0.0  # seconds of an update, whatever it holds
    frames: float = 0.0
    predicting: float = 0.0
    training: float = 0.0
    training_all: float = 0.0
    measured: str = ""  # where; empty if it is arithmetic


NUMBERS = tuple(name for name in Rates.__dataclass_fields__ if name not in ("parameters", "measured"))
CONSTANT = ("start_up", "update", "frames")  # beyond the largest measured model they stay, the others grow with it
CNN_LSTM = 503_172  # parameters


def interpolate(entries: Sequence[Rates], parameters: float) -> Rates:
    """Rates of a model of some size, from measured ones of its family: a straight line between logarithms.

    Below the smallest measured one its rates are taken; beyond the largest, time and memory grow with parameters.
    """
    entries = sorted(entries, key=lambda entry: entry.parameters)
    if parameters <= entries[0].parameters:
        return entries[0]
    largest = entries[-1]
    if parameters >= largest.parameters:
        factor = parameters / largest.parameters
        grown = {name: getattr(largest, name) * factor for name in NUMBERS if name not in CONSTANT}
        return replace(largest, parameters=parameters, **grown)
    below, above = next(pair for pair in pairwise(entries) if pair[0].parameters <= parameters < pair[1].parameters)
    share = math.log(parameters / below.parameters) / math.log(above.parameters / below.parameters)
    numbers = {name: _between(getattr(below, name), getattr(above, name), share) for name in NUMBERS}
    return Rates(parameters, **numbers, measured=f"between {below.measured} and {above.measured}")


def _between(below: float, above: float, share: float) -> float:
    if below > 0 and above > 0:
        return below ** (1 - share) * above**share
    return below * (1 - share) + above * share


class Table:
    """The shipped costs on one kind of device.

    Args:
        content: of `resources/costs.yaml`.
        device: `cpu` or `gpu`.
    """

    def __init__(self, content: Mapping, device: str):
        self.device = device
        self.rules, self.margins, self.downloads = content["rules"], content["margins"], content["downloads"]
        self.snakemake: Mapping[str, float] = content["snakemake"]
        self.methods, self._own = content["methods"], content[device]
        self.process = self._own["process"]
        self._families: dict[str, list[Rates]] = {}
        for entry in self._own["models"]:
            self._families.setdefault(entry["family"], []).append(_rates(entry))
        self._rates: dict[tuple[str, float], Rates] = {}
        self._cpu: dict[str, list[Rates]] = {}
        for entry in content["cpu"]["models"]:
            self._cpu.setdefault(entry["family"], []).append(_rates(entry))

    def rates(self, family: str, parameters: float) -> Rates:
        """Of a model, measured if its family was on this device, else by arithmetic."""
        if (family, parameters) not in self._rates:
            self._rates[family, parameters] = self._rates_of(family, parameters)
        return self._rates[family, parameters]

    def _rates_of(self, family: str, parameters: float) -> Rates:
        if family in self._families:
            return interpolate(self._families[family], parameters)
        assumed = self._own["assumed"]
        operations = 2 * FRAMES_A_SECOND * max(parameters, 1)  # of a second of speech, forward
        return Rates(
            parameters,
            start_up=assumed["start_up"],
            front_end=assumed["front_end"],
            step=2 * operations / assumed["training"],
            forward=operations / assumed["training"],
            predict=operations / assumed["prediction"],
            update=assumed["update"],
            frames=interpolate(self._cpu[family], parameters).frames,
        )


def _rates(entry: Mapping) -> Rates:
    rates = Rates(**{key: value for key, value in entry.items() if key in Rates.__dataclass_fields__})
    cores = entry.get("cores", 1)  # a job has one
    return replace(
        rates, **{name: cores * getattr(rates, name) for name in ("front_end", "step", "forward", "predict")}
    )


# --- Jobs with a model ------------------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """What of a model's entry decides its cost."""

    family: str  # that it is run as
    method: str  # a key of the table's `methods`
    encoder: Encoder
    rates: Rates
    added: int = 0  # rank, bottleneck or length of what the method adds
    whole_context: bool = False  # Whisper's 30 s for every utterance

    def hears(self, speech: Speech) -> Speech:
        """What the model makes of some speech: its own length, but for Whisper, which hears 30 s or at most 30 s."""
        if self.whole_context:
            return Speech(speech.utterances, WHOLE_CONTEXT * speech.utterances, WHOLE_CONTEXT)
        return replace(speech, longest=min(speech.longest, WHOLE_CONTEXT)) if self.family == "whisper" else speech

    @property
    def trained(self) -> float:
        """Parameters that training changes: as the methods of `ser.models.adaptation` add them, and the head."""
        width, layers = self.encoder.width, self.encoder.layers
        of_method = {
            "none": self.rates.parameters,  # CNN-LSTM, without an encoder
            "frozen": 0,
            "lora": 10 * self.added * width * layers,  # both linears of a feed-forward block, four times as wide inside
            "adapter": 2 * self.added * width * layers,
            "prompt": self.added * width * layers,
            "full": self.encoder.parameters,
            "random": self.encoder.parameters,
        }
        return of_method[self.method] + HEAD * width


def fine_tuning(
    table: Table, model: Model, source: Speech, samples: Speech | None, training: Mapping, dev_share: float
) -> Cost:
    """Of one training.

    Args:
        samples: of the target, if any.
        training: `epochs`, `batch_size`.
    """
    train, dev = source.part(1 - dev_share), source.part(dev_share)
    if samples:
        train = train + samples
    train, dev = model.hears(train), model.hears(dev)
    rates, work = model.rates, table.methods[model.method]
    heard, epochs = train.seconds + dev.seconds, training["epochs"]
    updates = math.ceil(train.utterances / training["batch_size"])
    step, forward, before = work["step"] * rates.step, rates.forward, heard * rates.front_end
    if work["front_end"]:  # it is trained, so it runs in every epoch
        step, forward, before = step + work["front_end"] * rates.front_end, forward + rates.front_end, 0.0
    seconds = rates.start_up + before + epochs * (train.seconds * step + dev.seconds * forward + updates * rates.update)
    frames = heard * kept_frames(table, model)
    memory = _weights(table, model) + TRAINED_COPIES * FLOAT32 * model.trained + frames
    if table.device == "cpu":  # else it is the GPU's
        batch = min(training["batch_size"] * train.longest, train.seconds)
        memory += batch * (rates.training_all if work["front_end"] else rates.training)
    return Cost(seconds, memory, frames, written=FLOAT32 * model.trained)


def kept_frames(table: Table, model: Model) -> float:
    """Bytes for a second of speech of what a job keeps of it."""
    return table.methods[model.method]["frames"].get(model.family, model.rates.frames)


def prediction(table: Table, model: Model, target: Speech, batch_size: int) -> Cost:
    """Of one run's labels of a target in one condition."""
    target = model.hears(target)
    rates = model.rates
    seconds = rates.start_up + target.seconds * (rates.front_end + rates.predict)
    frames = target.seconds * kept_frames(table, model)
    return _inference(table, model, target, batch_size, seconds, frames, written=PREDICTION_ROW * target.utterances)


def pooling(table: Table, model: Model, speech: Speech) -> Cost:
    """Of what a frozen encoder makes of a corpus in one condition."""
    heard = model.hears(speech)
    seconds = model.rates.start_up + heard.seconds * (model.rates.front_end + model.rates.predict)
    written = FLOAT32 * model.encoder.width * speech.utterances
    return _inference(table, model, heard, POOLED_TOGETHER, seconds, heard.seconds * model.rates.frames, written)


def _inference(table, model, speech, batch_size, seconds, frames, written) -> Cost:
    memory = _weights(table, model) + frames
    if table.device == "cpu":
        memory += min(batch_size * speech.longest, speech.seconds) * model.rates.predicting
    return Cost(seconds, memory, frames, written)


def _weights(table: Table, model: Model) -> float:
    held = 0 if model.method == "frozen" else model.encoder.parameters
    return table.process + FLOAT32 * held


# --- Other jobs -------------------------------------------------------------------------------


def keeping_an_encoder(table: Table, encoder: Encoder) -> Cost:
    """Of rule `encoder`: a checkpoint fetched, read, and its encoder written."""
    start, bytes_a_second = table.rules["encoder"]["start"], table.rules["encoder"]["bytes"]
    kept, whole = FLOAT32 * encoder.parameters, max(encoder.bytes, FLOAT32 * encoder.parameters)
    seconds = start + (whole + 2 * kept) / bytes_a_second + encoder.bytes / table.downloads
    return Cost(seconds, table.rules["encoder"]["memory"] + whole + kept, written=kept, downloaded=encoder.bytes)


def download(table: Table, size: float) -> Cost:
    """Of fetching an archive."""
    return Cost(size / table.downloads, table.rules["download"]["memory"], downloaded=size)


def other(table: Table, rule: str, speech: Speech | None) -> Cost:
    """Of a job without a model, of the speech that it works on if its time depends on that."""
    known = {**table.rules["other"], **table.rules.get(rule, {})}
    seconds = speech.seconds if speech else 0.0
    return Cost(
        known["start"] + seconds * known["second"],
        known["memory"] + seconds * known["bytes"],
        written=known["written"] + seconds * known["written_second"],
    )


# --- What is asked of Snakemake ---------------------------------------------------------------


def mem_mb(table: Table, cost: Cost, attempt: int = 1) -> int:
    """Megabytes to ask for: the margin over the estimate, room for the frames, at least some; more at every attempt."""
    wanted = max(table.margins["memory"] * cost.memory, cost.frames / FRAMES_SHARE) / 1e6
    return attempt * max(table.margins["megabytes"], 100 * math.ceil(wanted / 100))


def minutes(table: Table, rule: str, cost: Cost, attempt: int = 1) -> int:
    """Minutes to ask for: the margin over the estimate, and no less than some, more at every attempt."""
    least = table.margins["minutes"].get(rule, table.margins["minutes"][table.device])
    return attempt * max(least, math.ceil(table.margins["time"] * cost.seconds / 60))
