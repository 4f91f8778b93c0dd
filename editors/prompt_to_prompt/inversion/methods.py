"""The methods of inversion by name: a new one is a module beside this one, and its name in `INVERSIONS`."""

from collections.abc import Generator, Hashable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final, Protocol

from editors.prompt_to_prompt.inversion.inverter import Inverter
from editors.prompt_to_prompt.inversion.trajectory import Trajectory
from editors.requests.edits import INVERSIONS, Inversion
from editors.requests.results import Step


class Method(Protocol):
    """A way to find the noise."""

    @property
    def is_held(self) -> bool:
        """Whether the original stays on the path that was found; else it is drawn again from its noise."""
        ...

    @property
    def is_stochastic(self) -> bool:
        """Whether its steps are DDPM's, which leave room for noise; else they are DDIM's."""
        ...

    def key(self, guidance_scale: float, seed: int) -> tuple[Hashable, ...]:
        """Return what its trajectories depend on besides picture, prompt, steps and size."""
        ...

    def steps(self, inverter: Inverter) -> Generator[Step, None, Trajectory]:
        """Invert.

        Yields:
            Each level that was reached; to cancel, close the generator.

        Returns:
            The trajectory.
        """
        ...


METHODS: Final[Mapping[Inversion, Method]] = MappingProxyType(
    {name: import_module(f"{__package__}.{name}").METHOD for name in INVERSIONS}
)
