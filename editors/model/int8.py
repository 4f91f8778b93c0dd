"""Weights of large models in eight bits: half the memory of bfloat16, computed in the format of before.

Reference: Hao Wu and others, "Integer Quantization for Deep Learning Inference" (2020, arXiv 2004.09602),
§3: symmetric, one scale for each row of a matrix, by its largest magnitude. Activations are left as they are.

Laws: a weight is off by at most half a step, max|row| / 254; a row of zeros stays one; what asks a layer for
its weight is given the matrix that it computes with.
"""

from typing import Final

import torch
from torch import Tensor
from torch.nn.utils import parametrize

_MAX: Final = 127


class Int8(torch.nn.Module):
    """A matrix held in whole steps, each row with a scale of its own: W = s · Q."""

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return the steps Q, int8 (O, I), and the scales s, (O, 1), of a weight (O, I)."""
        scales = weight.abs().amax(dim=1, keepdim=True) / _MAX
        scales = torch.where(scales == 0, torch.ones_like(scales), scales)
        # By the scales as they are rounded, so that their rounding is none of the matrix.
        steps = (weight.float() / scales.float()).round().clamp(-_MAX, _MAX)
        return steps.to(torch.int8), scales

    def forward(self, steps: Tensor, scales: Tensor) -> Tensor:
        """Return the weight, (O, I), in the format of the scales."""
        return steps * scales


def read_for_int8(dtype: torch.dtype) -> torch.dtype:
    """Return the format to read weights in that will be held in eight bits, given that of the computation."""
    return torch.bfloat16 if dtype == torch.float32 else dtype


def hold_in_int8(module: torch.nn.Module) -> None:
    """Hold the matrices of a module's linear layers in eight bits, in their place, one after the other.

    Those that are so already are left; so are embeddings, convolutions, norms and biases, and a matrix that a
    layer shares with an embedding.
    """
    embeddings = {id(one.weight) for one in module.modules() if isinstance(one, torch.nn.Embedding)}
    for layer in list(module.modules()):
        is_linear = isinstance(layer, torch.nn.Linear) and not parametrize.is_parametrized(layer)
        if is_linear and id(layer.weight) not in embeddings:
            layer.weight.requires_grad_(False)
            parametrize.register_parametrization(layer, "weight", Int8())


def is_held_in_int8(module: torch.nn.Module) -> bool:
    """Tell whether a module's matrices are held in eight bits."""
    return any(isinstance(one, Int8) for one in module.modules())
