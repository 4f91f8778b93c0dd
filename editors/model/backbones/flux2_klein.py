"""FLUX.2 Klein: a transformer that reads noise, picture and words as one sequence of tokens.

References: Black Forest Labs, "FLUX.2 [klein]" (2026, https://bfl.ai/blog), as diffusers' Flux2KleinPipeline
and Flux2KleinKVPipeline carry it out; for guidance by picture and text of one that was made for text alone,
Brooks et al., "InstructPix2Pix" (2023, arXiv 2211.09800), Eq. 3.

Laws: at its defaults an edit is that of the pipeline, to rounding. Where there is no picture its tokens are
left out; where there are no words the prompt is empty. In the KV kind a picture's tokens see neither noise
nor words, so what the others read of them is computed at the first step of an edit and is the same at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

from editors.model.attention import AttentionControl
from editors.model.backbones.tokens import TokenModel, TokenNetwork, places, require_tokens
from editors.model.conditioning import Conditioning, Shown
from editors.model.devices import device_of
from editors.model.flow_matching import Shift, empirical_shift
from editors.model.network import Network

_MAX_TOKENS: Final = 512
"""Of a prompt in its template; the pipeline leaves out what is over."""
_PATCH: Final = 2
"""Latents of the autoencoder to a side of what are latents here."""
_TIMES: Final = range(0, 100, 10)
"""Where on the first axis noise lies, then the pictures."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KeyKeepingNetwork(TokenNetwork):
    """A transformer that computes keys and values of a picture's tokens once, and keeps them for one edit.

    Attributes:
        kept: The picture that was seen last, and what the transformer keeps of it.
    """

    kept: dict[str, Any] = field(default_factory=dict)

    def predict(
        self,
        latents: Tensor,
        timestep: Tensor,
        conditioning: Conditioning,
        *,
        picture: Tensor | None = None,
        references: Sequence[Tensor] = (),
        control: AttentionControl | None = None,
        step: int = 0,
    ) -> Tensor:
        """Call the network once; see `Network.predict`."""
        if picture is None or control is not None:
            return super(KeyKeepingNetwork, self).predict(latents, timestep, conditioning, control=control)
        shown = (picture, *references)
        if self.kept.get("picture") is picture:
            told = {
                "kv_cache": self.kept["keys"],
                "kv_cache_mode": "cached",
                **_told([latents], conditioning),
            }
            output = self._output([latents], timestep, conditioning, **told)[0]
        else:
            # Here the pictures' tokens come first.
            told = _told([*shown, latents], conditioning, times=(*_TIMES[1 : 1 + len(shown)], 0))
            num_tokens = sum(one[0, 0].numel() for one in shown)
            told |= {"kv_cache_mode": "extract", "num_ref_tokens": num_tokens}
            output, keys = self._output([*shown, latents], timestep, conditioning, **told)
            self.kept.update(picture=picture, keys=keys)
        own: Tensor = output.transpose(1, 2).unflatten(2, latents.shape[-2:])
        return own.float()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Flux2Klein(TokenModel):
    """A FLUX.2 Klein model, with guidance (base) or without (distilled); one latent is one token."""

    patch = 1

    @property
    def network(self) -> Network:
        """The network, behind its border."""
        kind = KeyKeepingNetwork if _keeps_keys(self.pipeline) else TokenNetwork
        return kind(module=self.unet, told=_told)

    @property
    def latent_channels(self) -> int:
        """Channels of a token."""
        return int(self.vae.config.latent_channels) * _PATCH**2

    @property
    def vae_scale_factor(self) -> int:
        """Pixels of a picture's side per token."""
        return int(self.pipeline.vae_scale_factor) * _PATCH

    def shift(self, num_tokens: int) -> Shift:
        """Return the shift that was fitted."""
        return empirical_shift(num_tokens)

    def require_readable(self, field: str, prompt: str) -> None:
        """Require that a prompt fits the pipeline's window.

        Raises:
            InvalidEdit: It does not.
        """
        own, empty = (self._num_tokens(text) for text in (prompt, ""))
        require_tokens(field, own - empty, _MAX_TOKENS - empty)

    def _num_tokens(self, prompt: str) -> int:
        told = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
        return len(self.tokenizer(told).input_ids)

    @torch.no_grad()
    def condition(
        self, prompts: list[str], *, size: tuple[int, int], pictures: Sequence[Shown] = ()
    ) -> Conditioning:
        """Turn prompts into states; the text encoder sees neither size nor pictures."""
        # By itself each: the company that a prompt keeps changes its last bits.
        states = [self.pipeline.encode_prompt(prompt=one, device=self.device)[0] for one in prompts]
        return Conditioning(states=torch.cat(states).to(self.dtype))

    @torch.no_grad()
    def picture_latents(self, pixels: Tensor) -> Tensor:
        """Encode pictures, (B, 3, H, W) in [-1, 1], to their likeliest tokens, unscaled, (B, 4·C, h, w)."""
        latents = self.vae.encode(pixels.to(device_of(self.vae), self.vae.dtype)).latent_dist.mode()
        return pixel_unshuffle(latents, _PATCH)

    def _latent_statistics(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        found, least = self.vae.bn, self.vae.config.batch_norm_eps
        mean, std = found.running_mean, torch.sqrt(found.running_var + least)
        return mean.to(latents)[:, None, None], std.to(latents)[:, None, None]

    @torch.no_grad()
    def decode_unscaled(self, latents: Tensor) -> Tensor:
        """Decode tokens as the autoencoder gives them, (B, 4·C, h, w), to float32 (B, 3, H, W) in [0, 1]."""
        whole = pixel_shuffle(latents.to(self.vae.dtype), _PATCH)
        decoded: Tensor = self.vae.decode(whole, return_dict=False)[0]
        return (decoded.float() / 2 + 0.5).clamp(0, 1)


def _keeps_keys(pipeline: Any) -> bool:
    return any("KleinKV" in kind.__name__ for kind in type(pipeline).__mro__)


def _told(
    given: Sequence[Tensor], conditioning: Conditioning, times: Sequence[int] = _TIMES
) -> dict[str, Any]:
    """Say where the tokens lie, on four axes: time, row, column, word."""
    rows, words = conditioning.states.shape[:2]
    lie = torch.cat([places(one, time) for one, time in zip(given, times, strict=False)])
    spoken = torch.arange(words, device=lie.device)[:, None]
    return {
        "img_ids": pad(lie, (0, 1)).expand(rows, -1, -1),
        "txt_ids": pad(spoken, (3, 0)).expand(rows, -1, -1),
        "guidance": None,
    }
