"""Inversion without retracing: the picture is noised to every level by itself, and what is missing is noted.

No step back is taken, so none can go astray: the path is known beforehand, and at each level the network is
asked once how far its own step would miss the next one.
"""

from collections.abc import Generator, Hashable
from dataclasses import dataclass

import torch

from editors.ddim import levels
from editors.diffusion import noise
from editors.prompt_to_prompt.inversion.inverter import Inverter
from editors.prompt_to_prompt.inversion.trajectory import Trajectory
from editors.requests.edits import Inversion
from editors.requests.results import Step


@dataclass(frozen=True, slots=True)
class Noised:
    """Independent noise at every level; see `methods.Method`.

    Attributes:
        name: Of the method.
        is_stochastic: Whether the steps that are taken leave room for the noise of DDPM, or are DDIM's.
        is_held: Whether the original stays on the path that was found.
    """

    name: Inversion
    is_stochastic: bool
    is_held: bool = True

    def key(self, guidance_scale: float, seed: int) -> tuple[Hashable, ...]:
        """Return the scale that the residuals belong to, and the seed of the noise."""
        return (guidance_scale, seed)

    def steps(self, inverter: Inverter) -> Generator[Step, None, Trajectory]:
        """Noise the picture to every level, and note what each step adds to its mean."""
        start, num_steps = inverter.start, inverter.num_steps
        found = levels(inverter.scheduler(), num_steps, stochastic=self.is_stochastic)
        drawn, _ = noise([inverter.seed], (num_steps * start.shape[0], *start.shape[1:]), start.device)
        path = []
        for level, own in zip(found, drawn.view(num_steps, *start.shape), strict=True):
            path.append(level.signal * start + level.spread * own)
        latents = torch.stack([*path, start])
        residuals = []
        for index, level in enumerate(found):
            now = latents[index : index + 1]
            output = inverter.guided(now, level)
            residuals.append(latents[index + 1] - (level.a * now + level.b * output)[0])
            yield inverter.step(index, num_steps, level, now)
        return Trajectory(
            method=self.name,
            latents=latents,
            residuals=torch.stack(residuals),
            num_unet_rows=inverter.num_rows,
        )
