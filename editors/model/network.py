"""The border: the one place that calls the network of a diffusion model.

References: Robin Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022, arXiv
2112.10752); for the picture beside the noise, Tim Brooks, Aleksander Holynski, Alexei A. Efros,
"InstructPix2Pix" (2023, arXiv 2211.09800), §3.2.

Everybody else, editors, trainer and evaluation, asks for a prediction and gets float32 latents. The width of
the network's input, its number format, what it is told besides, and how many threads a call is worth are
known here alone.

Law: a prediction is, bit for bit, what the module itself says of the same rows.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

import torch
from torch import Tensor

from editors.errors import IncompatibleModel
from editors.forecast import Forecast
from editors.guidance import Guidance
from editors.model.attention import AttentionControl
from editors.model.conditioning import Conditioning
from editors.model.devices import device_of
from editors.model.threads import threads_that_pay


class PictureInput(Protocol):
    """The way in which the edited picture enters the network, and the prediction leaves it."""

    def join(self, latents: Tensor, picture: Tensor) -> Tensor:
        """Put noised latents and the picture's, (B, C, h, w) each, together as the network reads them."""
        ...

    def prediction(self, output: Tensor, latents: Tensor) -> Tensor:
        """Return the part of the network's output that is about the latents, (B, C, h, w)."""
        ...


@dataclass(frozen=True, slots=True)
class Channels:
    """The picture as further channels of the input (InstructPix2Pix, §3.2)."""

    def join(self, latents: Tensor, picture: Tensor) -> Tensor:
        """Return (B, 2·C, h, w)."""
        return torch.cat([latents, picture], dim=1)

    def prediction(self, output: Tensor, latents: Tensor) -> Tensor:
        """Return the output as it is: it has the latents' own channels."""
        return output


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network that predicts the noise, velocity or clean latents of noised latents.

    Attributes:
        module: A UNet2DConditionModel, as it is or as it is wrapped for training.
        picture_input: How the picture that is edited reaches it.
    """

    module: Any
    picture_input: PictureInput = Channels()

    @property
    def device(self) -> torch.device:
        """Device that it is computed on."""
        return device_of(self.module)

    @property
    def dtype(self) -> torch.dtype:
        """Number format that it computes in; latents stay float32 between calls."""
        # Matrices in eight bits are not it.
        return next(one.dtype for one in self.module.parameters() if one.is_floating_point())

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
        """Call the network once.

        Args:
            latents: As the scheduler scales them, (B, C, h, w).
            timestep: Of all rows, or of each, (B,).
            conditioning: What it is told of each row.
            picture: Latents of the pictures that are edited, (B, C, h, w), for models that are told one.
            references: Of further pictures, (B, C, h, w) each, for models that are told some.
            control: Takes part in attention; `attention.install` must have been called for it.
            step: The index of the call, for the control.

        Returns:
            The prediction, float32 (B, C, h, w).
        """
        if references:
            raise IncompatibleModel("A UNet is told one picture; leave the references out.")
        rows = latents if picture is None else self.picture_input.join(latents, picture)
        arguments: dict[str, Any] = conditioning.unet_kwargs()
        if control is not None:
            arguments["cross_attention_kwargs"] = {"control": control, "step": step}
        # A step of training is its forward and its backward pass: both take the threads that the user gave.
        threads = nullcontext() if self.module.training else threads_that_pay(self.module, rows)
        with threads:
            output = self.module(rows.to(self.dtype), timestep, **arguments, return_dict=False)[0]
        return self.picture_input.prediction(output, latents).float()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """Input of the network under one condition, for all pictures of a batch.

    Attributes:
        conditioning: B rows.
        picture: Latents of the pictures that are edited, (B, C, h, w), or None.
        references: Of further pictures that the network is told, (B, C, h, w) each, of any sizes.
    """

    conditioning: Conditioning
    picture: Tensor | None = None
    references: tuple[Tensor, ...] = ()

    @classmethod
    def cat(cls, parts: "Sequence[Rows]") -> "Rows":
        """Put the rows of several conditions together, which are all told pictures, or none is."""
        pictures = [part.picture for part in parts if part.picture is not None]
        return cls(
            conditioning=Conditioning.cat([part.conditioning for part in parts]),
            picture=torch.cat(pictures) if pictures else None,
            references=tuple(map(torch.cat, zip(*(part.references for part in parts), strict=True))),
        )


class GuidedNetwork:
    """A network under guidance: what `diffusion.denoise` asks. Conditions without weight are not evaluated.

    Attributes:
        num_rows: Rows evaluated so far.
    """

    def __init__(
        self,
        network: Network,
        guidance: Guidance,
        rows_of: dict[str, Rows],
        forecast: Forecast | None = None,
    ) -> None:
        """Put the rows together, once for all calls.

        Args:
            network: The network.
            guidance: Names the conditions that have a weight, and combines their predictions.
            rows_of: Condition to what the network is given under it; only conditions that count are read.
            forecast: Stands in for the network at some calls; None: it is asked at each.
        """
        rows = [rows_of[name] for name in guidance.conditions]
        self.num_rows = 0
        self._network, self._guidance, self._forecast = network, guidance, forecast
        # What is told a picture and what is not are inputs of different length to some networks.
        self._calls = [list(some) for _, some in groupby(rows, key=lambda row: row.picture is None)]
        self._inputs = [Rows.cat(some) for some in self._calls]

    def __call__(self, latents: Tensor, timestep: Tensor, index: int) -> Tensor:
        """Predict for scaled latents, (B, C, h, w): R·B rows, R the conditions that count."""
        names: Sequence[str] = self._guidance.conditions
        rows = torch.cat([latents] * len(names))
        forecast = self._forecast
        if forecast is not None and not forecast.computed[index]:
            output = forecast.output(rows, timestep)
        else:
            self.num_rows += len(rows)
            output = torch.cat(
                [
                    self._network.predict(
                        torch.cat([latents] * len(some)),
                        timestep,
                        given.conditioning,
                        picture=given.picture,
                        references=given.references,
                    )
                    for some, given in zip(self._calls, self._inputs, strict=True)
                ]
            )
            if forecast is not None:
                forecast.see(output, rows, timestep)
        return self._guidance.combine(dict(zip(names, output.chunk(len(names)), strict=True)))
