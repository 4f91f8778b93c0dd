"""The side of the pictures that a model is measured on, where nobody says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

from dataset_builder.scenes.worlds import WORLDS

if TYPE_CHECKING:
    from editors.model.diffusion_model import DiffusionModel


class Sized(Protocol):
    """A job that draws scenes of a world."""

    @property
    def world(self) -> str:
        """Name of the world."""
        ...

    @property
    def size(self) -> int | None:
        """Their side in pixels, or None."""
        ...


_CHECKED_AT: Final = 64
JobT = TypeVar("JobT", bound=Sized)


def sized(job: JobT, model: DiffusionModel) -> JobT:
    """Return a job that names the side of its pictures: the one it named, or the model's own.

    Where its world is not drawn at that, it is the next smaller side that it is drawn at.
    """
    if job.size is not None:
        return job
    sizes, dataclass = WORLDS[job.world].sizes, cast(Any, job)
    size = max((side for side in sizes if side <= model.native_size), default=min(sizes))
    return cast(JobT, replace(dataclass, size=size))


def named(size: int | None) -> int:
    """Return the side that a job names; where it names none, one to check its other fields at."""
    return _CHECKED_AT if size is None else size
