"""The exponential moving average of the weights, which is what is exported.

Reference: Tero Karras et al., "Analyzing and Improving the Training Dynamics of Diffusion Models" (2023,
arXiv 2312.02696), on why; the warm-up min(decay, (1 + n) / (10 + n)) is that of the latent diffusion code
base.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class EMA:
    """Averages a module's parameters; one fused call a step."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow = {name: p.detach().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module, updates: int) -> None:
        """Move towards the weights after update number `updates` (from 1): s ← s + (1 − d)·(w − s)."""
        decay = min(self.decay, (1 + updates) / (10 + updates))
        weights = [p.detach() for p in module.parameters()]
        torch._foreach_lerp_(list(self.shadow.values()), weights, 1 - decay)

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """Lend the averaged weights to the module, for sampling and export."""
        own = {name: p.detach().clone() for name, p in module.named_parameters()}
        self._write(module, self.shadow)
        try:
            yield
        finally:
            self._write(module, own)

    @staticmethod
    @torch.no_grad()
    def _write(module: nn.Module, weights: dict[str, Tensor]) -> None:
        for name, parameter in module.named_parameters():
            parameter.copy_(weights[name])
