"""Transformers that read noise, picture and words as one sequence of tokens, behind the border."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from editors.errors import IncompatibleModel, InvalidEdit
from editors.model.attention import AttentionControl
from editors.model.backbones.pipeline_model import PipelineModel
from editors.model.conditioning import Conditioning, Shown
from editors.model.network import Network
from editors.model.threads import threads_that_pay

Told = Callable[[Sequence[Tensor], Conditioning], dict[str, Any]]
"""(noise and, where there are any, pictures, as latents of a token each (B, C, h, w), conditioning) -> what a
transformer is told besides tokens, states and time."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TokenNetwork(Network):
    """A transformer of tokens. Where there is no picture, there are no tokens of one.

    Attributes:
        told: What it is told besides: where each token lies, above all.
        patch: Latents to a side of a token.
    """

    told: Told
    patch: int = 1

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
        steered = {} if control is None else self._steered(control, step, conditioning)
        shown = () if picture is None else (picture, *references)
        given = [pixel_unshuffle(one, self.patch) for one in (latents, *shown)]
        told = {**self.told(given, conditioning), **steered}
        output = self._output(given, timestep, conditioning, **told)[0]
        h, w = given[0].shape[-2:]
        own: Tensor = output[:, : h * w].transpose(1, 2).unflatten(2, (h, w))
        return pixel_shuffle(own, self.patch).float()

    def _steered(self, control: AttentionControl, step: int, conditioning: Conditioning) -> dict[str, Any]:
        """Say how the transformer is told of a control."""
        raise IncompatibleModel(
            "The attention of this diffusion transformer is not steered; give a model of Stable Diffusion or "
            "FLUX.1."
        )

    def _output(
        self, given: Sequence[Tensor], timestep: Tensor, conditioning: Conditioning, **told: Any
    ) -> tuple[Any, ...]:
        """Call the transformer with latents of a token each, (B, C, h, w), one picture after the other."""
        tokens = torch.cat([one.flatten(2).transpose(1, 2) for one in given], dim=1)  # (B, T, C)
        threads = nullcontext() if self.module.training else threads_that_pay(self.module, tokens[:, None])
        with threads:
            output: tuple[Any, ...] = self.module(
                hidden_states=tokens.to(self.dtype),
                timestep=timestep.expand(len(tokens)).to(torch.float32) / 1000,
                encoder_hidden_states=conditioning.states,
                return_dict=False,
                **told,
            )
        return output


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TokenModel(PipelineModel):
    """A model whose network is a transformer of tokens, and whose text encoders see no picture."""

    def __post_init__(self) -> None:
        """Require parts that fit each other.

        Raises:
            IncompatibleModel: The sentence says which do not.
        """
        gives, taken = self.latent_channels * self.patch**2, self.unet.config.in_channels
        if taken != gives:
            raise IncompatibleModel(
                f"{self.name}: the transformer takes tokens of {taken} channels, its autoencoder gives "
                f"{gives}; give a folder that save_pretrained() of a {type(self.pipeline).__name__} wrote."
            )

    @property
    def size_unit(self) -> int:
        """Pixels that sides are best multiples of: a token's."""
        return self.size_step

    @property
    def size_step(self) -> int:
        """Pixels that sides must be multiples of: a token's."""
        return self.vae_scale_factor * self.patch

    @property
    def native_size(self) -> int:
        """Side in pixels of the square pictures the model was made for."""
        return int(self.pipeline.default_sample_size * self.pipeline.vae_scale_factor)

    @property
    def width(self) -> int:
        """Channels inside the network."""
        return int(self.unet.config.num_attention_heads * self.unet.config.attention_head_dim)

    def unconditional(self, *, size: tuple[int, int], pictures: Sequence[Shown] = ()) -> Conditioning:
        """Return the states of the empty prompt, one row."""
        return self.condition([""], size=size)

    def no_picture(self, image_latents: Tensor) -> None:
        """Return what stands in for a picture where there is none: nothing does."""

    def beside(self, image_latents: Tensor) -> Tensor:
        """Return a picture's unscaled latents, (B, C, h, w), as the network is told them."""
        return self.scaled(image_latents)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SeeingTokenModel(TokenModel, ABC):
    """A model whose network is a transformer of tokens, and whose language model sees the pictures."""

    nothing_sees_picture = False
    max_tokens: ClassVar[int]
    """Of an instruction that the pipeline reads."""
    no_words: ClassVar[str] = ""
    """What stands for no instruction."""

    def require_readable(self, field: str, prompt: str) -> None:
        """Require that a prompt fits the pipeline's window.

        Raises:
            InvalidEdit: It does not.
        """
        require_tokens(field, len(self.tokenizer(prompt).input_ids), self.max_tokens)

    @torch.no_grad()
    def condition(
        self, prompts: list[str], *, size: tuple[int, int], pictures: Sequence[Shown] = ()
    ) -> Conditioning:
        """Tell what to change of each picture; see `DiffusionModel.condition`."""
        # By itself each: the company that a prompt keeps changes its last bits.
        return Conditioning.cat([self._read(*one) for one in zip(prompts, pictures, strict=True)])

    @torch.no_grad()
    def unconditional(self, *, size: tuple[int, int], pictures: Sequence[Shown] = ()) -> Conditioning:
        """Tell nothing of each picture, or of none; see `DiffusionModel.unconditional`."""
        return Conditioning.cat([self._read(self.no_words, shown) for shown in pictures or ((),)])

    @abstractmethod
    def _read(self, prompt: str, shown: Shown) -> Conditioning:
        """Read an instruction about pictures, or about none: one row."""


def require_tokens(field: str, num_tokens: int, max_tokens: int) -> None:
    """Require that a prompt fits a model's window.

    Args:
        field: That holds it, for the sentence.
        num_tokens: Of the prompt.
        max_tokens: That the model reads.

    Raises:
        InvalidEdit: It does not.
    """
    if num_tokens > max_tokens:
        raise InvalidEdit(
            field, f"is too long: {num_tokens} tokens, and this model reads {max_tokens}; shorten it."
        )


def places(latents: Tensor, first: int) -> Tensor:
    """Return where each token lies, (h·w, 3) of int64: a number that all share, its row, its column."""
    h, w = latents.shape[-2:]
    axes = (torch.tensor([first]), torch.arange(h), torch.arange(w))
    return torch.cartesian_prod(*axes).to(latents.device)
