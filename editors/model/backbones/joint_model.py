"""Models that draw from words by attending to words and picture in one, which edits of prompts can steer.

Reference: Patrick Esser et al., "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis"
(2024, arXiv 2403.03206), §4.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from editors.model.attention import AttentionSite
from editors.model.backbones.tokens import TokenModel
from editors.model.conditioning import Conditioning, Shown
from editors.requests.settings import Kind


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class JointModel(TokenModel, ABC):
    """A model whose text encoders give states and one vector, and whose attention can be steered."""

    @property
    def kind(self) -> Kind:
        """It draws from words."""
        return "base"

    @property
    def modules(self) -> tuple[torch.nn.Module, ...]:
        """All that holds weights."""
        return (self.unet, self.vae, *self.text.text_encoders)

    def attention_sites(self) -> tuple[AttentionSite, ...]:
        """Let controls take part in the network's attention; see `DiffusionModel.attention_sites`."""
        from editors.model.joint_attention import install

        return install(self.unet, patch=self.patch)

    @torch.no_grad()
    def condition(
        self, prompts: list[str], *, size: tuple[int, int], pictures: Sequence[Shown] = ()
    ) -> Conditioning:
        """Turn prompts into states; the text encoders see neither size nor pictures."""
        # By itself each: the company that a prompt keeps changes its last bits.
        read = [self._read(one) for one in prompts]
        return Conditioning(
            states=torch.cat([states for states, _ in read]).to(self.dtype),
            pooled=torch.cat([pooled for _, pooled in read]).to(self.dtype),
        )

    @abstractmethod
    def _read(self, prompt: str) -> tuple[Tensor, Tensor]:
        """Read a prompt: its states, (1, T, D), and one vector of it, (1, P)."""

    def _latent_statistics(self, latents: Tensor) -> tuple[Tensor | float, Tensor | float]:
        return self.vae.config.shift_factor, 1
