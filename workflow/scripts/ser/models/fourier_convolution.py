"""Convolution with a long kernel by Fourier transforms."""

import torch
from torch import nn

from ser.models.batching import rounded_length


def convolve(hidden: torch.Tensor, convolution: nn.Conv1d) -> torch.Tensor:
    """Apply a grouped convolution that pads with half its kernel, in float32: the same values but for rounding.

    With wav2vec 2.0's positional convolution (128 taps, 16 groups) cuDNN is up to 30 times slower, since it has no fast
    kernel for 48 channels per group (docs/reference/benchmarks.md); a CPU takes about the same time.

    Args:
        hidden: (batch, channels, frames).

    Returns as many frames as the input: of an even kernel's result, the last frame is left out.
    """
    weight = convolution.weight.float()
    groups, (channels, inputs, taps) = convolution.groups, weight.shape
    frames, padding = hidden.shape[-1], taps // 2
    length = rounded_length(frames + taps - 1)  # transforms are fast if it has small factors only
    spectrum = torch.fft.rfft(nn.functional.pad(hidden.float(), (padding, 0)), length)
    response = torch.fft.rfft(weight, length).conj().unflatten(0, (groups, channels // groups))
    product = torch.einsum("bgif,goif->bgof", spectrum.unflatten(1, (groups, inputs)), response)
    result = torch.fft.irfft(product.flatten(1, 2), length)[..., :frames]
    return result if convolution.bias is None else result + convolution.bias.float().unsqueeze(-1)
