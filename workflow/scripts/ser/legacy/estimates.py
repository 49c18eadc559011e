"""What a configuration's jobs are estimated to cost, by their rule and wildcards."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from ser.core import reference_data
from ser.core.paths import ANY_TARGET
from ser.corpora import download
from ser.legacy import costs, speech
from ser.legacy.costs import Cost, Encoder, Model, Speech
from ser.models import encoders, families

DEV_SHARE = 0.2  # of a source: its splits leave 15 to 25 % for development


class Estimates:
    """Costs of jobs, by `resources/costs.yaml` and what is known of corpora and encoders in the working directory.

    Args:
        config: the whole configuration, with its defaults.
        content: costs in place of the shipped ones.
    """

    def __init__(self, config: Mapping, content: Mapping | None = None):
        self._config, self._content = config, content
        self._expected: dict = {}  # of corpora and checkpoints: what is known of them before they are there
        self._folders = {name: encoders.name(m) for name, m in config["models"].items() if "checkpoint" in m}
        self.assumptions: dict[str, str] = {}  # of what was asked so far: on what -> in words

    @cached_property
    def table(self) -> costs.Table:
        """The shipped costs on the configured kind of device: a GPU unless the configuration says otherwise."""
        content = self._content or reference_data.read("costs.yaml")
        return costs.Table(content, "cpu" if self._config["device"] == "cpu" else "gpu")

    def of(self, rule: str, wildcards: Mapping, training: Mapping | None = None) -> Cost:
        """Of a job, without any margin.

        Args:
            training: of a fine-tuning, its settings if they are not the configured ones.
        """
        match rule:
            case "finetune":
                return self._fine_tuning(wildcards, training)
            case "predict":
                target = self.speech(wildcards["target"])
                batch_size = self._config["prediction"]["batch_size"]
                return costs.prediction(self.table, self.model(wildcards["model"]), target, batch_size)
            case "pooled":
                entry = self._behind(encoders.encoding_name, wildcards["encoding"])
                encoder = self._encoder(entry, encoders.name(entry))
                model = self._model(entry, encoder, pooling=True)
                return costs.pooling(self.table, model, self.speech(wildcards["corpus"]))
            case "encoder":
                entry = self._behind(encoders.name, wildcards["encoder"])
                encoder = self._before_it_is_there(entry["checkpoint"], encoders.expected, entry)
                return costs.keeping_an_encoder(self.table, encoder)
            case "download_corpus":
                return costs.download(self.table, self._archive_bytes(wildcards["archive"]))
            case "download_noise":
                published = reference_data.read("sources.yaml")["noise"][self._config["noise"]["format"]]
                return costs.download(self.table, published["bytes"].get(wildcards["environment"], 100e6))
        corpus = wildcards.get("corpus")
        return costs.other(self.table, rule, self.speech(corpus) if corpus else None)

    def mem_mb(self, rule: str, wildcards: Mapping, attempt: int) -> int:
        """Megabytes to ask for."""
        return costs.mem_mb(self.table, self.of(rule, wildcards), attempt)

    def minutes(self, rule: str, wildcards: Mapping, attempt: int) -> int:
        """Minutes to ask for."""
        return costs.minutes(self.table, rule, self.of(rule, wildcards), attempt)

    def speech(self, corpus: str) -> Speech:
        """What a corpus holds, as far as it is known by now."""
        if found := speech.ingested(corpus):
            return found
        return self._before_it_is_there(corpus, speech.expected, corpus, self._config["corpora"][corpus])

    def model(self, name: str) -> Model:
        """What of a model decides its cost."""
        entry = self._config["models"][name]
        encoder = self._encoder(entry, self._folders[name]) if name in self._folders else Encoder(0, 0, 0)
        return self._model(entry, encoder)

    def _model(self, entry: Mapping, encoder: Encoder, pooling: bool = False) -> Model:
        family = entry["family"] if pooling else families.name(entry)
        tuning = entry.get("tuning", {"method": "none"})
        method = "random" if entry.get("weights") == "random" else "lora" if pooling else tuning["method"]
        added = next((tuning[key] for key in ("rank", "bottleneck", "length") if key in tuning), 0)
        own = {"cnn-lstm": costs.CNN_LSTM, families.FROZEN: 0}  # of a frozen encoder nothing is run
        rates = self.table.rates(family, own.get(family, encoder.parameters))
        whole_context = entry.get("context") == "30s" and family == "whisper"
        return Model(family, method, encoder, rates, added, whole_context)

    def _encoder(self, entry: Mapping, folder: str) -> Encoder:
        if found := encoders.fetched(folder):
            return found
        return self._before_it_is_there(entry["checkpoint"], encoders.expected, entry)

    def _before_it_is_there(self, what: str, expected, *arguments):
        if what not in self._expected:
            self._expected[what], assumption = expected(*arguments)
            if assumption:
                self.assumptions[what] = assumption
        return self._expected[what]

    def _behind(self, name_of, name: str) -> Mapping:
        """The first model's entry whose encoder has a name."""
        entries = (entry for entry in self._config["models"].values() if "checkpoint" in entry)
        return next(entry for entry in entries if name_of(entry) == name)

    def _fine_tuning(self, wildcards: Mapping, training: Mapping | None) -> Cost:
        shots, samples = int(wildcards["shots"]), None
        if shots and wildcards["target"] != ANY_TARGET:
            samples = self.speech(wildcards["target"]).some(shots)
        training = training or self._config["models"][wildcards["model"]]["training"]
        model, source = self.model(wildcards["model"]), self.speech(wildcards["source"])
        return costs.fine_tuning(self.table, model, source, samples, training, DEV_SHARE)

    def _archive_bytes(self, archive: str) -> float:
        """Of a corpus's download; of a mirror's, what is published of the format."""
        corpora = self._config["corpora"].items()
        entry = next(entry for name, entry in corpora if download.archive_name(name, entry) == Path(archive).name)
        return reference_data.read("sources.yaml")["corpora"].get(entry["format"], {}).get("bytes", 0.0)
