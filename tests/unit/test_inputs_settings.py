"""Inputs and settings of the rules, and results of the workflow, for the paper's configuration."""

import copy
import re

import pytest
import yaml
from conftest import ROOT, write_tree
from snakemake.exceptions import WorkflowError
from snakemake.io import is_flagged
from snakemake.iocontainers import Wildcards

from ser.config import validation
from ser.config.experiments import EXPERIMENTS, Experiments
from ser.core.encoder_paths import encoder_name
from ser.core.paths import RunId
from ser.snakemake_support.inputs import Inputs
from ser.snakemake_support.settings import Settings

TEXT = (ROOT / "config" / "config.yaml").read_text(encoding="utf-8")
SEEDS = (1, 2, 3, 4, 5)


def w(**wildcards):
    return Wildcards(fromdict={name: str(value) for name, value in wildcards.items()})


def run_wildcards(run):
    return w(model=run.model, source=run.source, target=run.target, shots=run.shots, seed=run.seed)


def paper(**edits):
    """Return the validated paper configuration with some top-level keys replaced."""
    return validation.load(yaml.safe_load(TEXT) | edits)


def with_svm(kind):
    """Return the inputs or settings of the paper's configuration with an SVM."""
    return kind(paper(models=yaml.safe_load(TEXT)["models"] | {"svm": {"title": "SVM", "family": "svm"}}))


def settings_of(config) -> Settings:
    return Settings(config, Inputs(config))


@pytest.fixture(scope="module")
def config():
    return paper()


@pytest.fixture(scope="module")
def inputs(config):
    return Inputs(config)


@pytest.fixture(scope="module")
def settings(config):
    return settings_of(config)


def test_claims_have_pairs_of_two_languages(config):
    """A set of corpora is in the languages of all of them."""
    config = copy.deepcopy(config)
    config["source_sets"]["both"] = {"corpora": ["EMODB", "EMOVO"], "balanced": False}
    config["experiments"]["table2_converged"] |= {"sources": ["both", "IEMOCAP"], "targets": ["EMODB", "URDU"]}
    config["corpora"]["EMOVO"]["language"] = "urdu "
    claimed = settings_of(config).claims()["experiments"]
    assert claimed["table2_converged"]["pairs"] == [["IEMOCAP", "EMODB"], ["IEMOCAP", "URDU"]]
    assert claimed["figure2_converged"]["pairs"] == [["IEMOCAP", target] for target in ("EMODB", "EMOVO", "URDU")]
    assert claimed["figure2_converged"]["shots"] == [0, 50, 100, 150, 200]


def test_gap_has_no_source_in_the_targets_language(config):
    gap = settings_of(config).gap()
    sources = gap["single_sources"]
    assert "IEMOCAP" in sources["EMODB"]
    assert gap["few_shot"]["targets"] == ["EMODB", "EMOVO", "URDU"]
    corpora = config["corpora"] | {"EMODB": config["corpora"]["EMODB"] | {"language": "english"}}
    changed = settings_of(config | {"corpora": corpora}).gap()
    found = changed["single_sources"]
    assert found["EMODB"] == [source for source in sources["EMODB"] if source != "IEMOCAP"]
    assert found["URDU"] == sources["URDU"]
    assert changed["few_shot"]["targets"] == ["EMOVO", "URDU"]


class TestInputs:
    """Input functions."""

    def test_archives(self, config, tmp_path):
        folder = write_tree(tmp_path / "{mine}", {"a.wav": b"1"})
        config = copy.deepcopy(config)
        config["corpora"]["IEMOCAP"]["path"] = str(folder)
        config["corpora"]["URDU"]["path"] = "urdu.zip"
        inputs = Inputs(config)
        assert inputs.archive(w(corpus="EMODB")) == "resources/corpora/emodb.zip"
        assert inputs.archive(w(corpus="URDU")) == "urdu.zip"
        own = inputs.archive(w(corpus="IEMOCAP"))
        assert own == str(folder).replace("{mine}", "{{mine}}")
        assert is_flagged(own, "ancient")  # a folder's time does not show changes of its files

    def test_download_is_shared_by_all_entries_of_a_source(self, config):
        assert Inputs(config).downloads.keys() == {"iemocap.zip", "emodb.zip", "emovo.zip", "urdu.zip"}
        config = copy.deepcopy(config)
        config["corpora"]["EMODB-339"] = config["corpora"]["EMODB"] | {"boredom": "drop", "verify": "names"}
        config["corpora"]["EMOVO"]["url"] = "https://example.org/emovo.tar.gz"
        found = Inputs(config).downloads
        assert found["emodb.zip"] == ["EMODB", "EMODB-339"]
        assert found["EMOVO-mirror.tar.gz"] == ["EMOVO"]
        least = settings_of(config).download(w(archive="emodb.zip"), None)["corpus"]
        assert least["verify"] == "names"  # the least strict entry decides

    def test_noise_archives(self, config, inputs, tmp_path):
        environments = config["conditions"]["noisy"]["environments"]
        found = inputs.noise_archives(w(condition="noisy"))
        assert found == [f"resources/noise/{name}_16k.zip" for name in environments]
        write_tree(tmp_path, {f"{environments[0]}/ch01.wav": b"1"})
        own = Inputs(paper(noise={"format": "demand", "path": str(tmp_path)})).noise_archives(w(condition="noisy"))
        assert own[0] == str(tmp_path / environments[0] / "ch01.wav")
        assert own[1] == str(tmp_path / f"{environments[1]}_16k.zip")

    def test_splits_and_subsets_in_use(self, inputs):
        assert inputs.seeds_as_source(w(corpus="URDU")) == inputs.seeds_as_target(w(corpus="URDU")) == [*SEEDS]
        assert inputs.drawn_shots(w(corpus="URDU")) == [50, 100, 150, 200]
        assert inputs.drawn_shots(w(corpus="IEMOCAP")) == []

    @pytest.mark.parametrize(
        ("model", "file"),
        [
            ("cnn-lstm", "log_mel.npy"),
            ("xlsr", "audio.npy"),
            ("whisper", "audio.npy"),
            ("xlsr-frozen", "pooled/facebook--wav2vec2-large-xlsr-53-c3f9d884181a.npy"),
        ],
    )
    def test_frames_by_family(self, inputs, model, file):
        assert inputs.source_frames(w(model=model, source="EMODB")) == [f"results/corpora/EMODB/clean/{file}"]

    def test_frames_of_an_svm(self):
        inputs = with_svm(Inputs)
        assert inputs.source_frames(w(model="svm", source="EMODB"))[0].endswith("clean/functionals/egemaps.npy")
        assert inputs.encoder(w(model="svm")) == []

    def test_encoders(self, config, inputs):
        assert inputs.encoder(w(model="cnn-lstm")) == []
        folder = "resources/encoders/facebook--wav2vec2-large-xlsr-53-c3f9d884181a"
        weights, *rest = inputs.encoder(w(model="xlsr"))
        assert weights == f"{folder}/model.safetensors"
        assert len(rest) == 3
        assert inputs.encoder(w(model="xlsr-frozen")) == [f"{folder}/revision.json"]
        assert inputs.pooling_encoder(w(encoding=encoder_name(config["models"]["xlsr"])))[0] == weights
        assert inputs.checkpoint(w(encoder=encoder_name(config["models"]["xlsr"]))) == []  # downloaded
        with pytest.raises(WorkflowError, match="uses encoder other"):
            inputs.model_of_encoder("other")

    def test_files_of_a_local_checkpoint(self, tmp_path):
        used = ["config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json"]
        used += ["preprocessor_config.json", "processor_config.json"]
        unused = ["vocab.json", "trainer_state.json", "optimizer.bin", "model.fp32.safetensors", "pytorch_model.bin"]
        write_tree(tmp_path, dict.fromkeys([*used, *unused], b"1"))
        mine = {"title": "mine", "family": "wav2vec2", "checkpoint": str(tmp_path), "tuning": {"method": "frozen"}}
        inputs = Inputs(paper(models=yaml.safe_load(TEXT)["models"] | {"mine": mine | {"revision": None}}))
        found = inputs.checkpoint(w(encoder=encoder_name(mine)))
        assert found == [str(tmp_path / name) for name in used]

    def test_few_shot_examples(self, inputs):
        assert not inputs.is_few_shot(run_wildcards(RunId("xlsr", "IEMOCAP", "any", 0, 1)))
        few_shot = run_wildcards(RunId("cnn-lstm", "IEMOCAP", "URDU", 50, 2))
        assert inputs.is_few_shot(few_shot)
        assert inputs.target_frames(few_shot) == "results/corpora/URDU/clean/log_mel.npy"

    def test_run_within_a_corpus_has_its_own_split(self, inputs):
        assert inputs.training_role(w(source="URDU", target="URDU", shots="0")) == "within"
        assert inputs.training_role(w(source="URDU", target="any", shots="0")) == "source"

    def test_run_on_examples_alone_reads_them_as_its_source(self, inputs):
        alone = run_wildcards(RunId("cnn-lstm", "URDU", "URDU", 50, 2))
        assert inputs.training_role(alone) == "50-shot"
        assert not inputs.is_few_shot(alone)

    def test_predictions_of_a_run(self, inputs):
        run = run_wildcards(RunId("xlsr-converged", "IEMOCAP", "any", 0, 1))  # a table, Figures 2 and 3, adaptation
        audio = {"adapted": "clean", "calibrated": "clean", "clean": "clean", "noisy": "noisy"}
        expected = [(target, condition) for target in ("EMODB", "EMOVO", "URDU") for condition in audio]
        assert inputs.predicted(run) == expected
        assert inputs.predicted_frames(run) == [f"results/corpora/{t}/{audio[c]}/audio.npy" for t, c in expected]
        assert inputs.predicted_corpora(run) == ["EMODB", "EMOVO", "URDU"]
        assert inputs.needs_calibration(run)
        assert not inputs.needs_calibration(run_wildcards(RunId("xlsr", "URDU", "any", 0, 1)))
        assert inputs.predicted(run_wildcards(RunId("xlsr", "URDU", "any", 0, 1))) == [
            (target, "clean") for target in ("EMODB", "EMOVO", "IEMOCAP")
        ]
        assert inputs.predicted(run_wildcards(RunId("xlsr-converged", "IEMOCAP", "URDU", 50, 1))) == [("URDU", "clean")]
        with pytest.raises(WorkflowError, match=r"uses the run xlsr/URDU-to-EMODB/50-shot/seed1"):
            inputs.predicted(run_wildcards(RunId("xlsr", "URDU", "EMODB", 50, 1)))

    def test_experiment_scores_each_run_once(self, inputs):
        runs = inputs.scored_runs(w(experiment="figure3_converged"))
        assert len(runs) == len(set(runs)) == 6 * 5  # models, seeds; a run predicts 3 targets in 2 conditions
        assert runs[0] == RunId("cnn-lstm-converged", "IEMOCAP", "any", 0, 1)
        assert inputs.scored_corpora(w(experiment="figure3")) == ["EMODB", "EMOVO", "URDU"]

    def test_gap_reads_experiments_with_the_models_of_within(self, inputs):
        """Table II as printed has other models than those that are trained within a language."""
        assert inputs.experiments.gap == inputs.gap(w()) == ["within", "figure2_converged", "table2_converged"]

    def test_gap_is_not_made_of_examples_alone(self):
        experiments = yaml.safe_load(TEXT)["experiments"]
        experiments["within"]["shots"] = [50]
        changed = paper(experiments=experiments)
        assert "gap" not in Experiments(changed).results
        with pytest.raises(WorkflowError, match=r"within with 0 in its `shots`"):
            Inputs(changed).gap(w())
        left_out = {"models": ["cnn-lstm-converged"], "sources": ["EMODB", "EMOVO"], "targets": ["URDU"]}
        both = paper(experiments=experiments | {"leave_one_language_out": left_out})
        assert Inputs(both).gap(w()) == ["figure2_converged", "table2_converged", "leave_one_language_out"]

    def test_detailed_figures_are_of_table2_as_printed_without_a_converged_one(self, inputs):
        experiments = yaml.safe_load(TEXT)["experiments"]
        assert inputs.runs_of_main_table(w()) == inputs.scored_runs(w(experiment="table2_converged"))
        printed = Inputs(paper(experiments=experiments | {"table2_converged": None}))
        assert printed.runs_of_main_table(w()) == printed.scored_runs(w(experiment="table2"))

    def test_encoders_in_use(self, inputs):
        assert len(inputs.encoders()) == len(set(inputs.encoders())) == 8

    def test_null_experiment_has_no_inputs(self, config):
        inputs = Inputs(paper(experiments=dict.fromkeys(EXPERIMENTS)))
        with pytest.raises(WorkflowError, match=r"experiments\.tuning is null"):
            inputs.scored_runs(w(experiment="tuning"))
        with pytest.raises(WorkflowError, match=r"experiments\.table2 is null"):
            inputs.runs_of_main_table(w())
        assert inputs.experiments.source_corpora("table2") == inputs.experiments.runs() == inputs.encoders() == []

    def test_corpora_of_source_sets(self):
        experiments = yaml.safe_load(TEXT)["experiments"]
        experiments["table2"] |= {"sources": ["two", "EMODB"], "targets": ["URDU"]}
        sets = {"two": {"corpora": ["EMODB", "EMOVO"]}}
        config = paper(experiments=experiments, source_sets=sets)
        assert Experiments(config).source_corpora("table2") == ["EMODB", "EMOVO"]


class TestExperiments:
    """Runs and predictions of the paper's grid."""

    def test_grid_size(self, config):
        experiments = Experiments(config)
        assert len(experiments.predictions("table2")) == 300
        printed, converged = (
            [name + recipe for name in ("table2", "figure2", "figure3")] for recipe in ("", "_converged")
        )
        for names, predictions, zero_shot in ((printed, 675, 100), (converged, 750, 120)):
            runs = experiments.runs(*names)
            assert len(experiments.predictions(*names)) == predictions
            assert [sum(run.shots == 0 for run in runs), sum(run.shots > 0 for run in runs)] == [zero_shot, 300]
        count = 675 + 750 + 570 + 75 + 600  # recipes, comparisons, within, adaptation
        assert sum(map(len, experiments.predicted_by.values())) == len(experiments.predictions()) == count
        assert len(experiments.runs()) == 1085
        assert len(experiments.one_run_per_model) == len(config["models"])

    def test_runs_with_examples_stand_for_models_without_others(self, config):
        figure2 = config["experiments"]["figure2"] | {"shots": [50]}
        experiments = Experiments(config | {"experiments": dict.fromkeys(EXPERIMENTS) | {"figure2": figure2}})
        assert {run.shots for run in experiments.one_run_per_model} == {50}

    def test_corpora_keep_the_configured_order(self, config):
        assert Experiments(config).corpora() == ["IEMOCAP", "EMODB", "EMOVO", "URDU"]
        config = copy.deepcopy(config)
        config["experiments"] = dict.fromkeys(EXPERIMENTS) | {"tuning": config["experiments"]["tuning"]}
        assert Experiments(config).corpora(["tuning"]) == ["IEMOCAP", "EMODB", "EMOVO", "URDU"]
        assert Experiments(config).models == config["experiments"]["tuning"]["models"]


RUN = run_wildcards(RunId("xlsr", "IEMOCAP", "any", 0, 1))
ALL_SETTINGS = {
    "corpus": lambda s: s.corpus(w(corpus="EMODB")),
    "noise": lambda s: s.noise(w(condition="noisy")),
    "source split": lambda s: s.split(w(role="source")),
    "target split": lambda s: s.split(w(role="target")),
    "encoder": lambda s: s.encoder(w(encoder="openai--whisper-medium-abdf7c39ab9d")),
    "pooled": lambda s: s.pooled(w(encoding="facebook--wav2vec2-large-xlsr-53-c3f9d884181a")),
    "finetune": lambda s: s.finetune(RUN),
    "predict": lambda s: s.predict(RUN),
    "score": lambda s: s.score(w(experiment="figure3")),
    "table1": lambda s: s.table1(),
    "table2": lambda s: s.table("table2"),
    "measures": lambda s: s.figure("measures", "table2"),
    "comparison table": lambda s: s.table("tuning"),
    "differences": lambda s: s.figure("differences", "table2"),
    "comparison figure": lambda s: s.figure("comparison", "tuning"),
    "figure2": lambda s: s.figure("figure2"),
    "training curves": lambda s: s.training_curves(),
    "claims": lambda s: s.claims(),
    "audit": lambda s: s.corpus_audit(w(corpus="EMODB")),
    "provenance": lambda s: s.provenance(),
}


def all_keys(value):
    """Yield the list of keys of every dictionary in a nested value."""
    if isinstance(value, dict):
        yield list(value)
        for item in value.values():
            yield from all_keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from all_keys(item)


class TestSettings:
    """Settings, the single parameter of each rule."""

    @pytest.mark.parametrize("rule", ALL_SETTINGS)
    def test_settings_are_sorted_and_include_the_code_hash(self, settings, rule):
        found = ALL_SETTINGS[rule](settings)
        assert all(keys == sorted(keys) for keys in all_keys(found))
        assert len(found["code"]["hash"]) == 16

    def test_order_of_the_corpora_of_a_set_matters(self):
        """It decides which utterances are drawn, and their batches."""
        run = w(model="cnn-lstm", source="two", target="any", shots=0, seed=1)
        orders = (["EMODB", "EMOVO"], ["EMOVO", "EMODB"])
        by_order = [settings_of(paper(source_sets={"two": {"corpora": corpora}})) for corpora in orders]
        for rule in ("finetune", "calibrate"):
            first, second = (getattr(settings, rule)(run) for settings in by_order)
            assert first != second
            assert {**first, "corpora": []} == {**second, "corpora": []}

    def test_values_of_settings(self, settings):
        assert ALL_SETTINGS["target split"](settings).keys() - {"code"} == {"pool_per_emotion"}
        assert ALL_SETTINGS["source split"](settings).keys() == {"code"}
        assert ALL_SETTINGS["corpus"](settings)["boredom"] == "sad"
        assert not {"path", "url"} & ALL_SETTINGS["corpus"](settings).keys()
        assert ALL_SETTINGS["score"](settings)["conditions"].keys() == {"clean", "noisy"}
        training = settings.finetune(RUN)
        assert training["model"].keys() == {"checkpoint", "family", "revision", "tuning", "weights", "pooling"} | {
            key for key in training["model"] if key == "context"
        }
        assert training["training"]["epochs"] == 5
        predicted = settings.predict(run_wildcards(RunId("xlsr-converged", "IEMOCAP", "any", 0, 1)))
        assert predicted["predicted"][:2] == [["EMODB", "adapted"], ["EMODB", "calibrated"]]
        assert "training" not in predicted
        assert settings.claims()["languages"]["URDU"] == "Urdu"

    @pytest.mark.parametrize("rule", ["encoder", "pooled", "finetune", "predict", "score", "corpus", "noise"])
    def test_titles_resources_seeds_and_other_models_change_no_result(self, config, settings, rule):
        config = copy.deepcopy(config)
        for name, model in config["models"].items():
            model["title"] += " (renamed)"
            model["resources"] = {"mem_mb": 1, "runtime": 1}
            model["training"] |= {} if name == "xlsr" else {"epochs": 99}
        assert ALL_SETTINGS[rule](
            settings_of(config | {"label": "new", "device": "cpu", "seeds": [1, 2]})
        ) == ALL_SETTINGS[rule](settings)

    def test_trimming_of_the_source_is_part_of_the_training(self, config, settings):
        changed = copy.deepcopy(config)
        changed["corpora"][RUN.source]["trim_db"] = 40
        different = {rule for rule, make in ALL_SETTINGS.items() if make(settings_of(changed)) != make(settings)}
        assert different == {"finetune", "provenance"}  # `corpus` is of another corpus

    def test_deviations_from_the_paper(self, config, settings):
        """The values of the paper stand beside the configured table2; anything else is said in words."""
        assert settings.table("table2")["deviations"] == {}
        changed = copy.deepcopy(config)
        changed["corpora"]["IEMOCAP"]["format"] = "ravdess"
        changed["corpora"]["EMODB"] |= {"path": "mine.zip"}
        models = changed["models"]
        models["cnn-lstm"]["training"] |= {"epochs": 100, "patience": 10}
        models["wav2vec2"]["tuning"] = {"method": "frozen"}
        models["xlsr"] |= {"weights": "random", "title": "renamed"}
        models["mms"]["pooling"] = {"layers": 12}
        models["whisper"]["checkpoint"] = "openai/whisper-base"
        models["mms-converged"] = models["mms"] | {"training": {"epochs": 100}}
        assert settings_of(changed).table("table2")["deviations"] == {
            "IEMOCAP": ["format ravdess, not iemocap"],
            "cnn-lstm": ["epochs 100, not 5", "patience 10, not null"],
            "mms": ["layers 12, not last"],
            "wav2vec2": ["method frozen, not lora"],
            "whisper": ["checkpoint openai/whisper-base, not openai/whisper-medium"],
            "xlsr": ["weights random, not pretrained"],
        }

    def test_settings_reflect_files_of_a_folder_and_of_a_table(self, config, tmp_path):
        write_tree(
            tmp_path,
            {"corpus/wav/03a01Fa.wav": b"1", "mine.csv": b"file,speaker,emotion\ncorpus/wav/03a01Fa.wav,1,sad\n"},
        )
        config = copy.deepcopy(config)
        config["corpora"]["EMODB"]["path"] = str(tmp_path / "corpus")
        table = {"format": "table", "language": "Greek", "path": str(tmp_path / "mine.csv")}
        config["corpora"]["MINE"] = table

        def found():
            return settings_of(config).corpus(w(corpus="EMODB")), settings_of(config).corpus(w(corpus="MINE"))

        before = found()
        assert {"listing", "table"} <= before[1].keys()
        write_tree(tmp_path, {"corpus/.DS_Store": b"1", "corpus/.git/HEAD": b"1", "corpus/README.md": b"1"})
        assert found() == before  # no format reads these
        write_tree(tmp_path, {"corpus/wav/03a01Fa.wav": b"22"})
        after = found()
        assert before[0] != after[0]
        assert before[1] != after[1]
        write_tree(tmp_path, {"mine.csv": b"file,speaker,emotion\ncorpus/wav/03a01Fa.wav,1,angry\n"})
        assert after[1] != found()[1]
        assert settings_of(config).corpus(w(corpus="EMOVO")).keys() == {"code", "format", "trim_db", "verify"}

    def test_settings_reflect_sizes_of_archives_and_checkpoints(self, config, tmp_path):
        """A replacement may have an older modification time, which Snakemake does not notice."""
        paths = ["emodb.zip", *(f"{name}_16k.zip" for name in config["conditions"]["noisy"]["environments"])]
        write_tree(tmp_path, dict.fromkeys([*paths, "own/config.json", "own/model.safetensors"], b"1"))
        config = copy.deepcopy(config)
        config["corpora"]["EMODB"]["path"], config["noise"]["path"] = str(tmp_path / "emodb.zip"), str(tmp_path)
        config["models"]["own"] = {"family": "wav2vec2", "checkpoint": str(tmp_path / "own")}

        def found():
            settings = settings_of(config)
            encoder = settings.encoder(w(encoder=encoder_name(config["models"]["own"])))
            return settings.corpus(w(corpus="EMODB")), settings.noise(w(condition="noisy")), encoder

        for position, replaced in enumerate((paths[0], paths[-1], "own/model.safetensors")):
            before = found()
            write_tree(tmp_path, {replaced: b"22"})
            assert [a != b for a, b in zip(before, found(), strict=True)] == [i == position for i in range(3)]

    def test_equal_numbers_are_the_same_setting(self, config, settings):
        changed = copy.deepcopy(config)
        changed["conditions"]["noisy"]["snr_db"] = 10.0
        changed["models"]["xlsr"]["tuning"]["alpha"] = 16.0
        for rule in ("noise", "finetune"):
            assert repr(ALL_SETTINGS[rule](settings_of(changed))) == repr(ALL_SETTINGS[rule](settings))

    def test_resources_grow_with_every_attempt(self, config, settings):
        assert settings.memory(RUN, 1) == config["models"]["xlsr"]["resources"]["mem_mb"] == 16_000
        assert settings.memory(w(model="cnn-lstm"), 3) == 12_000
        assert settings.runtime(w(model="cnn-lstm"), 2) == 120
        assert settings.memory(w(encoding="facebook--wav2vec2-large-xlsr-53-c3f9d884181a"), 2) == 32_000

    def test_gpu_is_requested_unless_the_device_is_cpu_or_the_model_an_svm(self, settings):
        assert settings.gpu(w(model="cnn-lstm")) == 1
        assert settings.gpu(w(encoding="facebook--wav2vec2-large-xlsr-53-c3f9d884181a")) == 1
        assert settings_of(paper(device="cpu")).gpu(w(model="cnn-lstm")) == 0
        assert with_svm(settings_of).gpu(w(model="svm")) == 0

    def test_device_follows_the_configuration(self, settings):
        assert settings.device(w(model="cnn-lstm")) == "auto"
        assert settings_of(paper(device="cpu")).device(w(model="cnn-lstm")) == "cpu"
        assert with_svm(settings_of).device(w(model="svm")) == "cpu-only"

    def test_corpus_that_cannot_be_downloaded(self, settings):
        assert settings.refusal("URDU") is None
        for words in ("corpora.IEMOCAP.path", "https://sail.usc.edu/iemocap/", "config/open.yaml"):
            assert words in settings.refusal("IEMOCAP")
        assert settings.download(w(archive="iemocap.zip"), None)["refusal"] == settings.refusal("IEMOCAP")
        assert settings.download_noise(w(environment="NPARK"), None)["source"]["url"].endswith("NPARK_16k.zip")


class TestResults:
    """Final results: inputs of the rule `all`."""

    def test_every_caption_of_the_report_is_shown(self):
        """Snakemake renders the captions when the report is made."""
        paths = [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
        shown = {name for path in paths for name in re.findall(r'report/(\w+)\.rst"', path.read_text(encoding="utf-8"))}
        assert shown == {path.stem for path in (ROOT / "workflow" / "report").glob("*.rst")}

    def test_null_experiments_have_no_results(self):
        experiments = Experiments(paper(experiments=dict.fromkeys(EXPERIMENTS)))
        assert experiments.results == experiments.corpora() == []
        assert not any(experiments.results_by_experiment.values())

    def test_results_of_a_single_experiment(self, config):
        tuning = {"tuning": config["experiments"]["tuning"]}
        experiments = Experiments(config | {"experiments": dict.fromkeys(EXPERIMENTS) | tuning})
        assert experiments.results == ["table1", "scores", "provenance"]
        made = {rule for rule, shown in experiments.results_by_experiment.items() if shown == ["tuning"]}
        assert made == {"comparison_table", "comparison_figure", "differences"}
