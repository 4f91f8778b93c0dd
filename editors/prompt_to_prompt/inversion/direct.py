"""Direct inversion: the original is held on the path that was found, and the edit goes free.

Reference: Xuan Ju, Ailing Zeng, Yuxuan Bian, Shaoteng Liu, Qiang Xu, "Direct Inversion" (2023, arXiv
2310.01506).
"""

from collections.abc import Generator, Hashable
from dataclasses import dataclass
from typing import Final

from editors.prompt_to_prompt.inversion.inverter import Inverter
from editors.prompt_to_prompt.inversion.trajectory import Trajectory
from editors.requests.edits import Step


@dataclass(frozen=True, slots=True)
class Direct:
    """See `methods.Method`."""

    is_held: bool = True

    def key(self, guidance_scale: float, seed: int) -> tuple[Hashable, ...]:
        """Return nothing: it depends on neither."""
        return ()

    def steps(self, inverter: Inverter) -> Generator[Step, None, Trajectory]:
        """Retrace DDIM's steps."""
        path = yield from inverter.retrace()
        return Trajectory(method="direct", latents=path, num_unet_rows=inverter.num_rows)


METHOD: Final = Direct()
