"""Results of edits, their steps, and the protocol of editors. Importing this module imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from PIL import Image

from editors.requests.edits import Edit, InstructionEdit
from editors.requests.settings import Recommending

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from editors.relevance import Reach


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Step:
    """One denoising step that has been taken.

    Attributes:
        index: Which step, from 0.
        num_steps: How many there are; multistep schedulers may take a few more than were asked for.
        timestep: The scheduler's name for this noise level.
        latents: Where the pictures are now, (B, C, h, w).
        clean: Where the model, as of this step, thinks they will end, (B, C, h, w).
    """

    index: int
    num_steps: int
    timestep: int
    latents: Tensor
    clean: Tensor
    render: Callable[[Tensor], Image.Image] | None = field(default=None, repr=False)

    def preview(self) -> Image.Image:
        """Draw what the model now expects, small and fast; nothing is computed unless this is called."""
        if self.render is None:
            raise ValueError("This step comes from the bare sampling loop, which knows no decoder.")
        return self.render(self.clean)


EditT = TypeVar("EditT", bound="Edit")
EditT_contra = TypeVar("EditT_contra", bound="Edit", contravariant=True)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EditResult:
    """A finished edit, with all that is needed to make it again.

    Attributes:
        edited_image: The edited picture, of the original's size; an extended one is larger.
        original_image: The original picture, upright, as the edit saw it.
        edit: The request as it was really carried out: what it left open is filled in.
        seed: Of the noise.
        num_unet_rows: Rows of network evaluations that were spent: what the edit cost.
        seconds: Wall time.
        model: Name of the model.
        dtype: Number format that its network was computed in.
        scheduler: Class name of the scheduler.
        reconstruction_psnr: How closely the original prompt redraws a photo from its inverted noise, in dB;
            for inversions that hold the photo on its path, unguided and to first order. None where there is
            no photo, and for inversions that note what is missing, which any prompt redraws.
        heat_maps: Word -> where it is looked at, (h, w) from 0 to 1; None if not asked for. Words of the
            original prompt alone are shown as the original picture looks at them, all others as the edited.
        reach: Where an instruction acts, and the edit at any other `only`; None if `only` was not asked for.
        notes: What people should know of it, a sentence each: frames that were left out, unknown words.
    """

    edited_image: Image.Image
    original_image: Image.Image | None
    edit: Edit
    seed: int
    num_unet_rows: int
    seconds: float
    model: str = ""
    dtype: str = ""
    scheduler: str = ""
    reconstruction_psnr: float | None = None
    heat_maps: Mapping[str, NDArray[np.float32]] | None = None
    reach: Reach | None = None
    notes: tuple[str, ...] = ()


class Editor(Recommending, Protocol[EditT_contra]):
    """The protocol of editors: the same edit, watched or not."""

    def edit(self, edit: EditT_contra) -> EditResult:
        """Carry out the edit."""
        ...

    def stream(self, edit: EditT_contra) -> Generator[Step, None, EditResult]:
        """Carry out the edit step by step; closing the generator cancels, its return value is the result."""
        ...


class InstructionEditor(Editor[InstructionEdit], Protocol):
    """An editor that follows instructions, and says which it follows best."""

    @property
    def instructions(self) -> tuple[str, ...]:
        """Instructions that its model says it is good at; empty where it says nothing."""
        ...

    @property
    def has_scales(self) -> bool:
        """Whether its model can be told to follow words and picture more or less."""
        ...

    @property
    def max_references(self) -> int:
        """Pictures that its model takes besides the one that is edited."""
        ...

    @property
    def phrases(self) -> tuple[str, ...]:
        """Instructions that its model was taught, to be suggested; empty where it says nothing."""
        ...
