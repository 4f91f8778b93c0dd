"""DDIM inversion: the original is drawn again from the noise that its retraced steps end in.

Reference: Jiaming Song, Chenlin Meng, Stefano Ermon, "Denoising Diffusion Implicit Models" (2020, arXiv
2010.02502), §4.3.
"""

from collections.abc import Generator, Hashable
from dataclasses import dataclass
from typing import Final

from editors.prompt_to_prompt.inversion.inverter import Inverter
from editors.prompt_to_prompt.inversion.trajectory import Trajectory
from editors.requests.edits import Inversion
from editors.requests.results import Step


@dataclass(frozen=True, slots=True)
class Retraced:
    """DDIM's steps, retraced; see `methods.Method`.

    Attributes:
        name: Of the method.
        is_held: Whether the original stays on the path that was found.
        is_stochastic: It is not: the steps are DDIM's.
    """

    name: Inversion
    is_held: bool
    is_stochastic: bool = False

    def key(self, guidance_scale: float, seed: int) -> tuple[Hashable, ...]:
        """Return nothing: it depends on neither."""
        return ()

    def steps(self, inverter: Inverter) -> Generator[Step, None, Trajectory]:
        """Retrace DDIM's steps."""
        path = yield from inverter.retrace()
        return Trajectory(method=self.name, latents=path, num_unet_rows=inverter.num_rows)


METHOD: Final = Retraced("ddim", is_held=False)
