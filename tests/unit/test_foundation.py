"""Pre-trained encoders: equality with transformers, batches, fine-tuning methods."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import assert_close, probabilities, random_frames
from packaging.version import Version
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_checkpoints import (
    GROUP_NORM,
    LAYER_NORM,
    perturb,
    save_hubert,
    save_unispeech_sat,
    save_wav2vec2,
    save_wavlm,
    save_whisper,
)
from torch import nn
from transformers import AutoFeatureExtractor, AutoModel

from ser.config.contradictions import TUNING
from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.core.files import read_json, write_json, write_rows
from ser.models import checkpoints, encoder_classifier, families, fourier_convolution, frozen_head, trainable_state
from ser.models.batching import Frames, pad
from ser.models.fine_tuning_methods import AdaptedLinear, PromptedLayer
from ser.models.frame_storage import Storage
from ser.models.frozen_head import FrozenEncoderHead
from ser.models.heads import LayerChoice
from ser.models.log_mel import BANDS, frame_count
from ser.training import loop, run_record
from ser.training.data import Examples, read_examples

CPU, META = torch.device("cpu"), torch.device("meta")
METHODS = [*(method for method in TUNING if method != "frozen"), "lora on attention"]
RATE = 16_000

# The architectures at small size, and at full width with 2 instead of 12 or 24 layers.
SMALL = {
    "group norm": (save_wav2vec2, GROUP_NORM),
    "layer norm": (save_wav2vec2, LAYER_NORM),
    "Whisper": (save_whisper, {}),
    "Whisper, 128 bands": (save_whisper, {"num_mel_bins": 128}),
    "HuBERT": (save_hubert, GROUP_NORM),
    "HuBERT, layer norm": (save_hubert, LAYER_NORM | {"feat_proj_layer_norm": False}),
    "WavLM": (save_wavlm, GROUP_NORM),
    "WavLM, layer norm": (save_wavlm, LAYER_NORM),
    "UniSpeech-SAT": (save_unispeech_sat, GROUP_NORM),
}
FAMILY_OF = {
    save_wav2vec2: "wav2vec2",
    save_whisper: "whisper",
    save_hubert: "hubert",
    save_wavlm: "wavlm",
    save_unispeech_sat: "unispeech-sat",
}
WAV2VEC2_BASE = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
LARGE = {"hidden_size": 1024, "num_attention_heads": 16, "intermediate_size": 4096}
TRUE_CONVOLUTIONS = {"conv_dim": [512] * 7, "num_conv_pos_embeddings": 128, "num_conv_pos_embedding_groups": 16}
WHISPER_MEDIUM = {"d_model": 1024, "encoder_attention_heads": 16, "encoder_ffn_dim": 4096}
FULL = {
    "group norm, full size": (save_wav2vec2, GROUP_NORM | TRUE_CONVOLUTIONS | WAV2VEC2_BASE),
    "layer norm, full size": (save_wav2vec2, LAYER_NORM | TRUE_CONVOLUTIONS | LARGE),
    "Whisper, full size": (save_whisper, WHISPER_MEDIUM),
    "HuBERT, full size": (save_hubert, GROUP_NORM | TRUE_CONVOLUTIONS | WAV2VEC2_BASE),
    "WavLM, full size": (
        save_wavlm,
        GROUP_NORM | TRUE_CONVOLUTIONS | WAV2VEC2_BASE | {"num_buckets": 320, "max_bucket_distance": 800},
    ),
}
ARCHITECTURES = SMALL | FULL
WHISPER = [name for name in ARCHITECTURES if name.startswith("Whisper")]


class Checkpoint:
    """Published checkpoint, the `encoder` rule's output, and transformers' model."""

    def __init__(self, name: str, folder: Path):
        save, settings = ARCHITECTURES[name]
        self.name = name
        self.family = FAMILY_OF[save]
        self.published, self.encoder = folder / "published", folder / "encoder"
        save(self.published, **settings)
        self.encoder.mkdir()
        for file in ("config.json", "preprocessor_config.json"):
            (self.encoder / file).write_bytes((self.published / file).read_bytes())
        pretrained = checkpoints.load(str(self.published), None, self.family).encoder
        save_file(pretrained.state_dict(), self.encoder / "model.safetensors")
        self.extractor = AutoFeatureExtractor.from_pretrained(self.published)
        model = AutoModel.from_pretrained(self.published).eval()
        self.reference = model.encoder if self.family == "whisper" else model

    def build(self, method="full", weights="pretrained", context="utterance", layers="last"):
        """Return the workflow's model of this checkpoint, fine-tuned with one of its methods; else skip the test."""
        if (self.family, method) == ("wavlm", "lora on attention"):
            pytest.skip("LoRA has no effect on WavLM's attention")
        method, _, modules = method.partition(" on ")
        tuning = TUNING[method] | {"method": method} | ({"modules": modules} if modules else {})
        settings = {"family": self.family, "weights": weights, "context": context, "tuning": tuning}
        return encoder_classifier.build(settings | {"pooling": {"layers": layers}}, self.encoder).eval()

    def stock_states(self, waveform: np.ndarray) -> torch.Tensor:
        """Return transformers' last hidden states of one utterance."""
        inputs = self.extractor(waveform, sampling_rate=RATE, return_tensors="pt")
        with torch.no_grad():
            return self.reference(next(iter(inputs.values()))).last_hidden_state[0]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def checkpoint(request, tmp_path_factory):
    return Checkpoint(request.param, tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module", params=["group norm", "layer norm", "Whisper", "HuBERT", "WavLM"])
def small(request, tmp_path_factory):
    return Checkpoint(request.param, tmp_path_factory.mktemp("small"))


def speech(seconds: float) -> np.ndarray:
    """Return unseeded 16-bit noise at a random level in the range of speech."""
    rng = np.random.default_rng()
    samples = rng.standard_normal(int(seconds * RATE)) * rng.uniform(500, 10_000)
    return np.clip(np.rint(samples), -32768, 32767).astype(np.float32) / 32768


def utterances():
    """Return utterances of very different lengths; the shortest is one window."""
    return [speech(seconds) for seconds in (0.025, 0.31, 1.4, 2.03, 3.2)]


def fixed_features(model, waveforms):
    with torch.no_grad():
        features = [model.encoder.features(waveform) for waveform in waveforms]
        return features if model.trains_all else [model.encoder.convolve_utterance(f, CPU) for f in features]


@torch.no_grad()
def states_of(model, frames):
    """Return the hidden states of each utterance in a batch, without padding."""
    padded, lengths = pad(frames, CPU)
    if model.trains_all:
        padded, lengths = model._convolved(padded, lengths)
    return [states[:length] for states, length in zip(model.encoder(padded, lengths), lengths, strict=True)]


class TestEqualToTransformers:
    """Hidden states in float32, compared with the stock model on one utterance."""

    def test_hidden_states(self, checkpoint):
        """The last is the encoder's output: transformers 5 has it before the final norm of layer-norm encoders."""
        model = checkpoint.build(context="30s")
        waveforms = [speech(0.31), speech(31)] if checkpoint.family == "whisper" else utterances()
        for waveform in waveforms[:: len(waveforms) - 1] if checkpoint.name in FULL else waveforms:
            inputs = checkpoint.extractor(waveform, sampling_rate=RATE, return_tensors="pt")
            with torch.no_grad():
                stock = checkpoint.reference(next(iter(inputs.values())), output_hidden_states=True)
                padded, lengths = pad(fixed_features(model, [waveform]), CPU)
                states = [own[0, :lengths] for own in model.encoder.states(padded, lengths)]
            expected = [own[0] for own in (*stock.hidden_states[:-1], stock.last_hidden_state)]
            if checkpoint.family == "whisper":
                assert lengths == min(1500, -(-len(waveform) // 320))
                expected = [own[:lengths] for own in expected]
            assert len(states) == len(expected) == len(model.encoder.layers) + 1
            for own, reference in zip(states, expected, strict=True):
                assert own.shape == reference.shape
                assert_close(1e-5, own, reference, f"alone, against transformers: {checkpoint.name}")

    @pytest.mark.parametrize("context", ["utterance", "30s"])
    @pytest.mark.parametrize("positions", [750, 1000])
    def test_whisper_with_fewer_positions(self, tmp_path, monkeypatch, positions, context):
        """As public emotion models with `max_source_positions` of 750: longer utterances are cut to 15 s."""
        monkeypatch.setitem(ARCHITECTURES, "short", (save_whisper, {"max_source_positions": positions}))
        checkpoint = Checkpoint("short", tmp_path)
        model = checkpoint.build(context=context)
        for seconds in (0.5, positions / 50, positions / 50 + 1, 31):
            waveform = speech(seconds)
            (states,) = states_of(model, fixed_features(model, [waveform]))
            own = min(positions, -(-len(waveform) // 320))
            assert len(states) == own
            if context == "30s" or own == positions:
                inputs = checkpoint.extractor(
                    waveform, sampling_rate=RATE, max_length=positions * 320, truncation=True, return_tensors="pt"
                )
                with torch.no_grad():
                    expected = checkpoint.reference(inputs.input_features).last_hidden_state[0]
                assert_close(1e-5, states, expected[:own], "Whisper with fewer positions, against transformers")

    @pytest.mark.parametrize("checkpoint", WHISPER, indirect=True)
    def test_whisper_on_30_s_of_speech(self, checkpoint):
        model, waveform = checkpoint.build(), speech(30)
        (states,) = states_of(model, fixed_features(model, [waveform]))
        assert_close(
            1e-5, states, checkpoint.stock_states(waveform), f"30 s of speech, against transformers: {checkpoint.name}"
        )

    def test_features_equal_transformers(self, checkpoint):
        model = checkpoint.build()
        for waveform in [*utterances(), speech(31)]:
            features = model.encoder.features(waveform)
            expected = checkpoint.extractor(waveform, sampling_rate=RATE, return_tensors="pt")
            if checkpoint.family != "whisper":
                assert_close(0, features.values[:, 0], expected.input_values[0], "normalised waveforms")
            else:
                log_mel = expected.input_features[0].T
                assert features.real == len(features.values) == min(3000, -(-len(waveform) // 160))
                assert_close(1e-5, features.values, log_mel[: features.real], "Whisper's log-mels")


class TestBatches:
    """Independence of an utterance's hidden states from its batch."""

    def test_batched_equals_alone(self, checkpoint):
        compare_batched_with_alone(checkpoint.build(method="full"), f"{checkpoint.name}, pretrained weights")

    def test_trained_frontend_ignores_padding(self, checkpoint):
        model = checkpoint.build(method="full", weights="random")
        perturb_slightly(model)
        features = fixed_features(model, utterances()[:4])
        with torch.no_grad():
            frames, lengths = model.train()._convolved(*pad(features, CPU))
            for padded, length, own in zip(frames, lengths, features, strict=True):
                alone = model.encoder.convolve_utterance(own, CPU)
                assert alone.real == length
                # rounding depends on the input's length and adds up over seven convolutions
                assert_close(
                    3e-5, padded[:length], alone.values, f"frontend in training, against alone: {checkpoint.name}"
                )

    @pytest.mark.parametrize("small", ["Whisper"], indirect=True)
    def test_batched_with_30_s_of_context(self, small):
        model = small.build(context="30s")
        frames = fixed_features(model, utterances()[:3])
        for states, own in zip(states_of(model, frames), frames, strict=True):
            (alone,) = states_of(model, [own])
            assert_close(1e-5, states, alone, f"batched, against alone: {small.name}, 30 s")

    @pytest.mark.parametrize("method", [*METHODS, "random"])
    def test_probabilities_with_every_method(self, small, method, tmp_path):
        model = small.build(weights="random") if method == "random" else small.build(method)
        perturb_slightly(model)
        perturb(model.head)
        frames = read(model, tmp_path, utterances())
        alone = probabilities(model, frames, 1)
        together = probabilities(model, frames, 5)
        assert_close(1e-5, together, alone, f"probabilities batched, against alone: {method}")


def compare_batched_with_alone(model, name):
    perturb_slightly(model)
    frames = fixed_features(model, utterances())
    for states, own in zip(states_of(model, frames), frames, strict=True):
        (alone,) = states_of(model, [own])
        assert_close(1e-5, states, alone, f"batched, against alone: {name}")


def perturb_slightly(model):
    """Add noise to norms' weights and biases, which are initialised to 1 and 0."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.GroupNorm | nn.LayerNorm):
                for parameter in module.parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.1)


def write_audio(folder, waveforms) -> list[dict]:
    """Write audio.npy of a corpus of these waveforms, and return its rows."""
    samples = [(waveform * 32768).astype(np.int16) for waveform in waveforms]
    np.save(folder / "audio.npy", np.concatenate(samples))
    starts = np.cumsum([0, *map(len, samples)])
    return [
        {"utterance": str(i), "emotion": EMOTIONS[i % 4], "start": str(start), "samples": str(len(own))}
        for i, (start, own) in enumerate(zip(starts, samples, strict=False))
    ]


def read(model, folder, waveforms, wanted=None) -> list[Frames]:
    """Return frames of a corpus of these waveforms."""
    rows = write_audio(folder, waveforms)
    wanted = wanted or {row["utterance"] for row in rows}
    return model.read_frames(folder / "audio.npy", rows, wanted, Storage(CPU, 1e9, folder))


class TestSteps:
    """Training steps that never wait for the device."""

    @pytest.mark.parametrize("method", [*METHODS, "random"])
    def test_step_never_waits_for_the_device(self, small, method, tmp_path):
        """Run on PyTorch's meta device, where reading a value is an error."""
        options = {"method": "full", "weights": "random"} if method == "random" else {"method": method}
        model = small.build(**options)
        frames = [Frames(own.values.to(META), own.real) for own in read(model, tmp_path, utterances())]
        try:
            assert one_step(model, frames).device == META
        except NotImplementedError as error:
            if "_weight_norm_interface_backward" in str(error) and Version(torch.__version__) < Version("2.10"):
                pytest.skip("PyTorch 2.9 has no meta kernel for the gradient of weight norm")
            raise

    def test_cnn_lstm_step_never_waits_for_the_device(self):
        frames = [Frames(own.values.to(META), own.real) for own in random_frames(5)]
        assert one_step(families.build({"family": "cnn-lstm"}), frames).device == META

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
    @pytest.mark.parametrize("method", METHODS)
    def test_gpu_step_never_waits_for_the_device(self, small, method, tmp_path):
        """Make CUDA raise an error on synchronisation, after a first step and a second, which is recorded."""
        model, device = small.build(method), torch.device("cuda")
        frames = [Frames(own.values.to(device), own.real) for own in read(model, tmp_path, utterances())]
        updates = loop.Updates(
            model.to(device).train(), Examples(frames, [*EMOTIONS, "sad"], range(5)), SETTINGS, device
        )
        for seed in (1, 2):
            updates.make(np.arange(5), seed)
        assert updates.recorded.count == 1
        torch.cuda.set_sync_debug_mode("error")
        try:
            updates.make(np.arange(5), seed=3)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    @pytest.mark.parametrize("small", ["group norm", "layer norm"], indirect=True)
    def test_waiting_is_detected(self, small):
        """Run transformers' wav2vec 2.0 encoder, which waits."""
        hidden, mask = torch.empty(2, 9, 32, device=META), torch.ones(2, 9, dtype=torch.bool, device=META)
        stock = copy.deepcopy(small.reference.encoder).to(META)
        with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
            stock(hidden, attention_mask=mask)


@pytest.mark.parametrize(("taps", "frames", "bias"), [(128, 37, True), (16, 200, False), (5, 30, True)])
def test_convolution_by_fourier_transforms(taps, frames, bias):
    convolution = torch.nn.Conv1d(12, 12, taps, padding=taps // 2, groups=4, bias=bias)
    hidden = torch.randn(3, 12, frames, requires_grad=True)
    results = fourier_convolution.convolve(hidden, convolution), convolution(hidden)[..., :frames]
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)
    parameters = [hidden, *convolution.parameters()]
    gradients = [torch.autograd.grad(result.square().sum(), parameters) for result in results]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def one_step(model, frames) -> torch.Tensor:
    """Return the loss of one update on the meta device."""
    examples = Examples(frames, [*EMOTIONS, "sad"], range(5))
    return loop.Updates(model.to(META).train(), examples, SETTINGS, META).make(np.arange(5), seed=1)


def of_layer(layer, *arguments, **options) -> torch.Tensor:
    """Return a transformer layer's hidden states, which came in a tuple before transformers 5.16."""
    output = layer(*arguments, **options)
    return output[0] if isinstance(output, tuple) else output


class TestTuning:
    """Fine-tuning methods: trained parameters and the output before training."""

    @pytest.mark.parametrize("method", ["adapter", "lora", "lora on attention"])
    def test_output_is_unchanged_before_training(self, small, method):
        plain, tuned = small.build("full"), small.build(method)
        frames = fixed_features(plain, utterances())
        for states, expected in zip(states_of(tuned, frames), states_of(plain, frames), strict=True):
            assert_close(0, states, expected, f"{method} before training, against the encoder")

    @pytest.mark.parametrize(
        ("method", "trained"),
        [
            ("lora", ("lora_A", "lora_B")),
            ("lora on attention", ("lora_A", "lora_B")),
            ("adapter", ("down", "up")),
            ("prompt", ("prompt",)),
        ],
    )
    def test_only_added_parameters_are_trained(self, small, method, trained):
        model = small.build(method)
        names = {name for name, parameter in model.encoder.named_parameters() if parameter.requires_grad}
        assert all(any(word in name.split(".") for word in trained) for name in names)
        layers = len(model.encoder.layers)
        assert len(names) == layers * (1 if method == "prompt" else 4)
        assert sum("q_proj" in name or "v_proj" in name for name in names) == (
            4 * layers if method == "lora on attention" else 0
        )
        assert all(parameter.requires_grad for parameter in model.head.parameters())

    def test_lora_on_the_attention_of_wavlm_has_no_effect_in_transformers(self, tmp_path):
        """The reason for its refusal: WavLM's attention reads the weights of its projections, not their output."""
        from peft import LoraConfig, inject_adapter_in_model

        stock, waveform = Checkpoint("WavLM", tmp_path), speech(0.5)
        before = stock.stock_states(waveform)
        inject_adapter_in_model(LoraConfig(target_modules=["q_proj", "v_proj"]), stock.reference)
        for name, parameter in stock.reference.named_parameters():
            if "lora_B" in name:
                parameter.data.normal_()
        assert torch.equal(stock.stock_states(waveform), before)

    def test_full_leaves_the_convolutions_frozen(self, small):
        model = small.build("full")
        frozen = {name for name, parameter in model.encoder.named_parameters() if not parameter.requires_grad}
        assert frozen
        assert {name.split(".")[0] for name in frozen} <= {"convolutions", "positions"}

    def test_random_weights_train_everything(self, small):
        torch.manual_seed(1)
        model = small.build("full", weights="random")
        frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
        assert frozen <= {"encoder.positions.weight"}  # Whisper's sinusoids are never trained
        trained = next(iter(model.encoder.layers[0].parameters()))
        assert not torch.equal(trained, next(iter(small.build("full").encoder.layers[0].parameters())))

    def test_adapter_residual_is_added_once(self):
        linear = nn.Linear(6, 4)
        adapted = AdaptedLinear(linear, bottleneck=3)
        perturb(adapted)
        inputs = torch.randn(5, 6)
        output = linear(inputs)
        change = torch.relu(output @ adapted.down.weight.T + adapted.down.bias) @ adapted.up.weight.T + adapted.up.bias
        torch.testing.assert_close(adapted(inputs), output + change)

    @pytest.mark.parametrize("small", ["layer norm", "Whisper"], indirect=True)
    def test_prompts_are_attended_to_and_removed(self, small):
        layer = small.build("full").encoder.layers[0]
        hidden_size = small.reference.config.hidden_size
        prompted = PromptedLayer(layer, 3, hidden_size)
        hidden = torch.randn(2, 7, hidden_size)
        with torch.no_grad():
            joined = torch.cat([prompted.prompt.expand(2, -1, -1), hidden], dim=1)
            torch.testing.assert_close(of_layer(prompted, hidden), of_layer(layer, joined, attention_mask=None)[:, 3:])
            mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])[:, None, None, :]
            (short,) = of_layer(prompted, hidden[1:, :4])
            torch.testing.assert_close(of_layer(prompted, hidden, attention_mask=mask)[1, :4], short)

    def test_masking_of_checkpoints_is_off_and_dropout_is_on(self, tmp_path, monkeypatch):
        masking = {"layerdrop": 1.0, "mask_time_prob": 0.9, "apply_spec_augment": True, "hidden_dropout": 0.0}
        no_dropout = {"attention_dropout": 0.0, "activation_dropout": 0.0, "feat_proj_dropout": 0.0}
        monkeypatch.setitem(ARCHITECTURES, "dropping", (save_wav2vec2, LAYER_NORM | masking | no_dropout))
        monkeypatch.setitem(ARCHITECTURES, "dropout", (save_wav2vec2, LAYER_NORM))
        for name, deterministic in (("dropping", True), ("dropout", False)):
            model = Checkpoint(name, tmp_path / name).build("lora")
            frames = fixed_features(model, [speech(1)])
            (expected,) = states_of(model, frames)
            (training_mode,) = states_of(model.train(), frames)
            assert torch.equal(training_mode, expected) == deterministic

    @pytest.mark.parametrize("name", ["group norm", "Whisper", "WavLM"])
    def test_settings_that_would_cost_time_or_change_the_attention_are_off(self, name, tmp_path):
        """With activation checkpointing, every layer is computed twice."""
        checkpoint, waveforms = Checkpoint(name, tmp_path), [speech(0.4), speech(1.3)]
        expected = states_of(checkpoint.build("lora"), fixed_features(checkpoint.build("lora"), waveforms))
        path = checkpoint.encoder / "config.json"
        more = {"gradient_checkpointing": True, "output_attentions": True, "_attn_implementation": "flash_attention_2"}
        write_json(path, read_json(path) | more)
        model, calls = checkpoint.build("lora"), []
        for own, other in zip(states_of(model, fixed_features(model, waveforms)), expected, strict=True):
            assert torch.equal(own, other)
        # transformers calls the hooks of a layer once, and those of the modules inside it whenever it is computed
        next(model.encoder.layers[0].children()).register_forward_pre_hook(lambda *_: calls.append(1))
        model.train()(*pad(fixed_features(model, waveforms), CPU)).sum().backward()
        assert len(calls) == 1

    @pytest.mark.parametrize("modules", ["feed-forward", "attention"])
    def test_lora_gradients_equal_transformers_and_peft(self, checkpoint, modules):
        """Compare with peft on the stock model, one utterance at a time."""
        from peft import LoraConfig, get_peft_model

        model = checkpoint.build("lora on attention" if modules == "attention" else "lora", context="30s")
        stock = checkpoint.reference
        feed_forward = ["fc1", "fc2"] if checkpoint.family == "whisper" else ["intermediate_dense", "output_dense"]
        targets = {"feed-forward": feed_forward, "attention": ["q_proj", "v_proj"]}[modules]
        plain = get_peft_model(stock, LoraConfig(r=16, lora_alpha=16, target_modules=targets, lora_dropout=0.0))
        try:
            compare_gradients(checkpoint, model, plain)
        finally:
            plain.unload()
            stock.requires_grad_(True)


def compare_gradients(checkpoint, model, plain):
    ours = {name: p for name, p in model.encoder.layers.named_parameters() if "lora_" in name}
    theirs = {name.split("layers.")[1]: p for name, p in plain.named_parameters() if "lora_" in name}
    assert ours.keys() == theirs.keys()
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(torch.randn_like(parameter) * 0.05)  # B is initialised to zero, which gives A no gradient
            theirs[name].copy_(parameter)
    waveforms, labels = [speech(0.4), speech(2.1)], torch.tensor([0, 3])
    if checkpoint.name in FULL:  # batches are tested at small size
        waveforms, labels = waveforms[1:], labels[1:]
    frames, lengths = pad(fixed_features(model, waveforms), CPU)
    nn.functional.cross_entropy(model(frames, lengths), labels, reduction="sum").backward()
    for waveform, label in zip(waveforms, labels, strict=True):
        inputs = checkpoint.extractor(waveform, sampling_rate=RATE, return_tensors="pt")
        states = plain(next(iter(inputs.values()))).last_hidden_state
        real = int(model.encoder.convolve_utterance(model.encoder.features(waveform), CPU).real)
        logits = model.head(states[:, :real].mean(dim=1))
        nn.functional.cross_entropy(logits, label.unsqueeze(0), reduction="sum").backward()
    for name, parameter in ours.items():
        scale = float(theirs[name].grad.abs().max())
        assert scale > 0
        assert_close(
            1e-4, parameter.grad / scale, theirs[name].grad / scale, f"LoRA gradients, relative: {checkpoint.name}"
        )


SETTINGS = {"epochs": 2, "patience": None, "batch_size": 4, "learning_rate": 1.0e-3, "precision": "float32"}


def fine_tuned(model, folder, waveforms):
    emotions = [EMOTIONS[i % 4] for i in range(len(waveforms))]
    examples = Examples(read(model, folder, waveforms), emotions, list(map(len, waveforms)))
    return train(model, examples, folder)


def train(model, examples, folder):
    return loop.fine_tune(
        model,
        examples,
        examples,
        settings=SETTINGS,
        seed=1,
        device=CPU,
        state_path=folder / "resume.safetensors",
        fingerprint="same",
        started=0.0,
    )


class TestLayers:
    """Choice among the encoder's layers."""

    @pytest.mark.parametrize("layers", ["last", "mean", "weighted", 0, 1, 2])
    def test_frozen_head_equals_the_whole_model(self, small, layers, tmp_path):
        model = small.build(layers=layers)
        if layers == "weighted":
            model.choice.scores.data.copy_(torch.tensor([0.3, -1.0, 2.0]))
        perturb(model.head)
        frames = read(model, tmp_path, utterances())
        np.save(tmp_path / "pooled.npy", small.build().encoder.train().pooled(frames, CPU))
        record = {"width": 32, "parameters": model.encoder_parameters, "layers": 2}
        write_json(tmp_path / "revision.json", record)
        head = frozen_head.build({"pooling": {"layers": layers}}, tmp_path)
        assert run_record.count_parameters(head)["encoder"] == run_record.count_parameters(model)["encoder"]
        head.load_state_dict(
            {name: value for name, value in model.state_dict().items() if not name.startswith("encoder")}
        )
        rows = [{"utterance": str(i)} for i in range(len(frames))]
        kept = head.read_frames(tmp_path / "pooled.npy", rows, {"0", "2", "4"}, Storage(CPU, 1e9, tmp_path))
        expected = probabilities(model, [frames[i] for i in (0, 2, 4)], 1)
        assert_close(1e-6, probabilities(head, kept, 2), expected, f"head, against the whole model: {layers}")

    def test_a_numbered_layer_removes_those_above(self, small):
        assert len(small.build("lora", layers=1).encoder.layers) == 1
        assert len(small.build("lora", layers="mean").encoder.layers) == 2
        with pytest.raises(UserError, match=r"pooling\.layers: 3 is not a layer of this encoder, which has 2"):
            small.build("lora", layers=3)

    def test_weights_of_layers_are_trained_and_sum_to_1(self, small, tmp_path):
        model = small.build("lora", layers="weighted")
        fine_tuned(model, tmp_path, [speech(0.5) for _ in range(8)])
        assert model.choice.scores.detach().abs().min() > 0
        states = torch.eye(3).unsqueeze(-1)  # each layer in turn is 1, the others 0
        assert model.choice(states).sum().item() == pytest.approx(1, abs=1e-6)


class TestRuns:
    """Saved and reloaded runs: only trained weights, the same predictions."""

    @pytest.mark.parametrize("method", [*METHODS, "random"])
    def test_reloaded_run_gives_the_same_predictions(self, small, method, tmp_path):
        waveforms = [speech(0.5) for _ in range(9)]
        torch.manual_seed(3)
        options = {"method": "full", "weights": "random"} if method == "random" else {"method": method}
        model = small.build(**options)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        progress = fine_tuned(model, tmp_path, waveforms)
        save_file(progress.best_weights, tmp_path / "weights.safetensors")

        trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        with safe_open(tmp_path / "weights.safetensors", "pt") as file:
            assert set(file.keys()) == trained
        for name, value in model.state_dict().items():
            # a key's bias shifts all scores of a query equally, so its gradient is zero
            if not name.endswith("k_proj.bias"):
                assert torch.equal(value, before[name]) != (name in trained), name
        parameters = run_record.count_parameters(model)
        assert parameters["trained"] == sum(w.numel() for w in progress.best_weights.values())
        published = sum(w.numel() for w in load_file(small.encoder / "model.safetensors").values())
        assert parameters["encoder"] == published

        trainable_state.load_trained_state(model, tmp_path / "weights.safetensors")
        expected = probabilities(model, read(model, tmp_path, waveforms), 4)
        torch.manual_seed(4)
        loaded = small.build(**options)
        trainable_state.load_trained_state(loaded, tmp_path / "weights.safetensors")
        again = probabilities(loaded, read(loaded, tmp_path, waveforms), 4)
        np.testing.assert_array_equal(again, expected)
        assert (np.abs(expected - expected[0]) > 1e-6).any()

    @pytest.mark.parametrize("method", ["lora", "lora on attention"])
    def test_interrupted_equals_uninterrupted(self, method, tmp_path, monkeypatch):
        checkpoint, waveforms = Checkpoint("layer norm", tmp_path), [speech(0.5) for _ in range(9)]

        def run(name):
            (tmp_path / name).mkdir(exist_ok=True)
            torch.manual_seed(5)
            return fine_tuned(checkpoint.build(method), tmp_path / name, waveforms)

        whole, evaluate = run("whole"), loop.evaluate
        epochs = iter([evaluate])
        with monkeypatch.context() as patched:
            patched.setattr(loop, "evaluate", lambda *arguments: next(epochs)(*arguments))
            with pytest.raises(StopIteration):
                run("cut")
        assert (tmp_path / "cut" / "resume.safetensors").exists()
        resumed = run("cut")
        assert resumed.history == whole.history
        for name, tensor in whole.best_weights.items():
            assert torch.equal(tensor, resumed.best_weights[name]), name

    def test_every_model_sees_the_same_batches(self, tmp_path, monkeypatch):
        """Frozen encoders, LoRA and CNN-LSTM: one vector, 50 and 100 frames per second."""
        checkpoint = Checkpoint("Whisper", tmp_path)
        lengths = np.random.default_rng(1).permutation(np.arange(400, 4400, 100))
        rows = write_audio(tmp_path, [speech(length / RATE) for length in lengths])
        write_rows(tmp_path / "utterances.csv", rows[0], rows)
        np.save(tmp_path / "pooled.npy", np.zeros((len(rows), 1, 32), np.float32))
        np.save(tmp_path / "log_mel.npy", np.zeros((sum(map(frame_count, lengths)), BANDS), np.float32))
        models = {
            "pooled.npy": FrozenEncoderHead(32, 0, LayerChoice("last", 0)),
            "audio.npy": checkpoint.build("lora"),
            "log_mel.npy": families.build({"family": "cnn-lstm"}),
        }
        batches = {path: [] for path in models}
        for path, model in models.items():
            names = [row["utterance"] for row in rows]
            examples = read_examples(
                model, tmp_path / path, tmp_path / "utterances.csv", names, Storage(CPU, 1e9, tmp_path)
            )
            with monkeypatch.context() as patched:
                seen = batches[path]
                patched.setattr(
                    loop.Updates,
                    "make",
                    lambda _, batch, seed, seen=seen: seen.append(batch.tolist()) or torch.zeros(()),
                )
                patched.setattr(loop, "evaluate", lambda *_: {"dev_loss": 1.0, "dev_uar": 25.0})
                train(model, examples, tmp_path)
            (tmp_path / "resume.safetensors").unlink()
        assert len(batches["pooled.npy"]) == 2 * len(rows) / SETTINGS["batch_size"]
        assert batches["pooled.npy"] == batches["audio.npy"] == batches["log_mel.npy"]

    def test_only_requested_utterances_are_read(self, small, tmp_path):
        model, waveforms = small.build("lora"), utterances()
        everything = read(model, tmp_path, waveforms)
        (only,) = read(model, tmp_path, waveforms, {"3"})
        assert torch.equal(only.values, everything[3].values)


class TestMistakes:
    """Encoders that do not match their settings are rejected before training."""

    @pytest.fixture
    def folder(self, tmp_path):
        return Checkpoint("group norm", tmp_path).encoder

    def load(self, folder):
        families.encoder_family("wav2vec2").build({"weights": "pretrained"}, folder)

    def change(self, folder, file="config.json", **settings):
        path = folder / file
        path.write_text(json.dumps(json.loads(path.read_text()) | settings))

    @pytest.mark.parametrize(
        ("settings", "problem"),
        [
            ({"num_hidden_layers": 3}, r'Missing key\(s\) in state_dict: "encoder\.layers\.2'),
            ({"num_hidden_layers": 1}, r'Unexpected key\(s\) in state_dict: "encoder\.layers\.1'),
            ({"intermediate_size": 50}, r"size mismatch for encoder\.layers\.0"),
        ],
    )
    def test_weights_of_another_architecture_are_rejected(self, folder, settings, problem):
        self.change(folder, **settings)
        with pytest.raises(UserError, match=rf"does not match its config\.json: {problem}"):
            self.load(folder)

    def test_another_sampling_rate_is_rejected(self, folder):
        self.change(folder, "preprocessor_config.json", sampling_rate=8000)
        with pytest.raises(UserError, match="expects audio at 8000 Hz"):
            self.load(folder)

    def test_other_mel_bands_are_rejected(self, tmp_path):
        checkpoint = Checkpoint("Whisper", tmp_path)
        self.change(checkpoint.encoder, "preprocessor_config.json", feature_size=128)
        with pytest.raises(UserError, match=r"expects 80 mel bands, but its preprocessor_config\.json has 128"):
            checkpoint.build()
