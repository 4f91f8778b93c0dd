"""Edit-friendly inversion: the picture is noised to every level by itself, and what is missing is noted.

Reference: Inbar Huberman-Spiegelglas, Vladimir Kulikov, Tomer Michaeli, "An Edit Friendly DDPM Noise Space"
(2023, arXiv 2304.06140), Eq. 6.
"""

import math
from collections.abc import Generator, Hashable
from dataclasses import dataclass
from typing import Final

import torch

from editors.ddim import levels
from editors.diffusion import noise
from editors.prompt_to_prompt.inversion.inverter import Inverter
from editors.prompt_to_prompt.inversion.trajectory import Trajectory
from editors.requests.results import Step


@dataclass(frozen=True, slots=True)
class EditFriendly:
    """See `methods.Method`."""

    is_held: bool = True

    def key(self, guidance_scale: float, seed: int) -> tuple[Hashable, ...]:
        """Return the scale that the residuals belong to, and the seed of the noise."""
        return (guidance_scale, seed)

    def steps(self, inverter: Inverter) -> Generator[Step, None, Trajectory]:
        """Noise the picture to every level, and note what each step adds to its mean."""
        start, num_steps = inverter.start, inverter.num_steps
        scheduler = inverter.model.new_scheduler()
        found = levels(scheduler, num_steps, stochastic=True)
        drawn, _ = noise([inverter.seed], (num_steps * start.shape[0], *start.shape[1:]), start.device)
        path = []
        for level, own in zip(found, drawn.view(num_steps, *start.shape), strict=True):
            alpha = float(scheduler.alphas_cumprod[int(level.timestep)])
            path.append(math.sqrt(alpha) * start + math.sqrt(1 - alpha) * own)
        latents = torch.stack([*path, start])
        residuals = []
        for index, level in enumerate(found):
            now = latents[index : index + 1]
            output = inverter.guided(now, level)
            residuals.append(latents[index + 1] - (level.a * now + level.b * output)[0])
            yield inverter.step(index, num_steps, level, now)
        return Trajectory(
            method="edit_friendly",
            latents=latents,
            residuals=torch.stack(residuals),
            num_unet_rows=inverter.num_rows,
        )


METHOD: Final = EditFriendly()
