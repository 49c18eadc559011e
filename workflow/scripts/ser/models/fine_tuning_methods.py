"""Fine-tuning methods: frozen, full, LoRA, adapter and prompt.

The paper names frozen, adapter, embedding prompt and LoRA, as in PEFT-SER (Feng and Narayanan, 2023). Heads on frozen
encoders are trained on the encoders' output (`ser.models.frozen_head`).
"""

import torch
from torch import nn


def apply_method(encoder: nn.Module, tuning: dict) -> None:
    """Freeze an encoder in place, except parameters that the method trains or adds.

    Args:
        encoder: see `ser.models.base_encoder.BaseEncoder`.
        tuning: `method` and its parameters.
    """
    encoder.requires_grad_(False)
    match tuning["method"]:
        case "frozen":
            pass
        case "full":
            for module in encoder.trainable_modules():
                module.requires_grad_(True)
        case "lora":
            modules = {"feed-forward": encoder.feed_forward, "attention": encoder.attention}[tuning["modules"]]
            _add_lora(encoder.layers, modules, tuning["rank"], tuning["alpha"])
        case "adapter":
            for layer in encoder.layers:
                _add_adapter(layer, encoder.feed_forward[1], tuning["bottleneck"])
        case "prompt":
            for index, layer in enumerate(encoder.layers):
                encoder.layers[index] = PromptedLayer(layer, tuning["length"], encoder.hidden_size)
        case method:
            raise ValueError(f"no such fine-tuning method: {method}")


def _add_lora(layers: nn.Module, targets: tuple[str, str], rank: int, alpha: float) -> None:
    """Add LoRA (Hu et al., 2022) to two linear modules of every layer.

    PEFT-SER adds it to both feed-forward linears, Hu et al. to the query and value projections.
    """
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets), lora_dropout=0.0, bias="none")
    inject_adapter_in_model(config, layers)


class AdaptedLinear(nn.Module):
    """Linear module followed by a residual bottleneck adapter (Houlsby et al., 2019).

    The second projection starts at zero, so the output is unchanged before training.
    """

    def __init__(self, linear: nn.Linear, bottleneck: int):
        super().__init__()
        self.linear = linear
        self.down = nn.Linear(linear.out_features, bottleneck)
        self.up = nn.Linear(bottleneck, linear.out_features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (..., in features) to (..., out features)."""
        output = self.linear(hidden)
        return output + self.up(torch.relu(self.down(output)))


def _add_adapter(layer: nn.Module, name: str, bottleneck: int) -> None:
    parent = next(module for module in layer.modules() if name in dict(module.named_children()))
    setattr(parent, name, AdaptedLinear(getattr(parent, name), bottleneck))


class PromptedLayer(nn.Module):
    """Transformer layer with learned prompts before its input, cut from its output."""

    def __init__(self, layer: nn.Module, length: int, hidden_size: int):
        super().__init__()
        self.layer = layer
        self.prompt = nn.Parameter(torch.empty(length, hidden_size).normal_(std=0.02))

    def forward(self, hidden: torch.Tensor, attention_mask: torch.Tensor | None = None, **options) -> torch.Tensor:
        """Map (batch, frames, hidden) to the same shape.

        Args:
            attention_mask: boolean, (batch, 1, 1, frames) or (batch, frames), True where a frame may be attended to.
                Prompts are always attended to.

        If the layer returns a tuple, with the hidden states first, so does this one.
        """
        length = len(self.prompt)
        prompt = self.prompt.to(hidden.dtype).expand(len(hidden), -1, -1)
        if attention_mask is not None:
            attention_mask = nn.functional.pad(attention_mask, (length, 0), value=True)
        output = self.layer(torch.cat([prompt, hidden], dim=1), attention_mask=attention_mask, **options)
        if isinstance(output, tuple):
            return output[0][:, length:], *output[1:]
        return output[:, length:]
