"""Negative-prompt inversion: the original's prompt stands in for the empty one, so guidance pulls nowhere.

Reference: Daiki Miyake, Akihiro Iohara, Yu Saito, Toshiyuki Tanaka, "Negative-prompt Inversion" (2023, arXiv
2305.16807).
"""

from collections.abc import Generator, Hashable
from dataclasses import dataclass
from typing import Final

from editors.prompt_to_prompt.inversion.inverter import Inverter
from editors.prompt_to_prompt.inversion.trajectory import Trajectory
from editors.requests.results import Step


@dataclass(frozen=True, slots=True)
class NegativePrompt:
    """See `methods.Method`."""

    is_held: bool = False
    is_stochastic: bool = False

    def key(self, guidance_scale: float, seed: int) -> tuple[Hashable, ...]:
        """Return nothing: it depends on neither."""
        return ()

    def steps(self, inverter: Inverter) -> Generator[Step, None, Trajectory]:
        """Retrace DDIM's steps."""
        path = yield from inverter.retrace()
        return Trajectory(
            method="negative_prompt",
            latents=path,
            unconditional=inverter.words.states,
            pooled=inverter.words.pooled,
            num_unet_rows=inverter.num_rows,
        )


METHOD: Final = NegativePrompt()
