"""Opens models for the page, one after the other.

Law: two threads never load at once. diffusers and transformers import their parts when these are first named,
and a part that is being imported by another thread is missing to them.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from editors import IncompatibleModel
from editors.model.residence import MemoryUse
from editors.requests.lora import Lora
from editors.requests.results import InstructionEditor
from trainer.errors import TrainerError
from ui.server.edit_thread import in_passing

if TYPE_CHECKING:
    from editors import PromptToPromptEditor
    from editors.model.loading.needs import Needs


class OneAtATime:
    """An `Opener`, which opens models that draw from prompts, too; torch is imported with the first."""

    def __init__(self, dtype: str | None = None, memory: MemoryUse = "auto") -> None:
        """Take what networks are computed in, and where parts lie, as `from_pretrained` does."""
        self._alone = Lock()
        self._how: dict[str, Any] = {"dtype": dtype, "memory": memory}
        self._told: dict[str, Needs] = {}

    def model(self, name: str, loras: Sequence[Lora] = ()) -> InstructionEditor:
        """Return what edits with a model, as `InstructPix2PixEditor.from_pretrained` does."""
        with self._alone:
            from editors import InstructPix2PixEditor

            how = {**self._how, "loras": loras, "needs": self._told.pop(name, None)}
            return in_passing(partial(InstructPix2PixEditor.from_pretrained, name, **how))

    def needs(self, name: str) -> str:
        """Say what a model needs before it is loaded, as `needs_of` does; "" where it is not worth saying."""
        with self._alone:
            from editors.model.loading.needs import needs_of

            found = in_passing(partial(needs_of, name, dtype=self._how["dtype"]))
            if found is None:
                return ""
            self._told[name] = found  # the Hub is not asked again where it is opened next
            return found.told_of(self._how["memory"])

    def drawing(self, name: str) -> "PromptToPromptEditor":
        """Return what draws with a model, as `PromptToPromptEditor.from_pretrained` does."""
        with self._alone:
            from editors import PromptToPromptEditor

            how = {**self._how, "for_photos": True, "needs": self._told.pop(name, None)}
            return in_passing(partial(PromptToPromptEditor.from_pretrained, name, **how))

    def checkpoint(self, run: Path, step: int) -> InstructionEditor:
        """Return what edits with a checkpoint, as `editor_at` does.

        Raises:
            IncompatibleModel: The checkpoint, or what the run began with, is gone.
        """
        with self._alone:
            from trainer.tasks.instruct_pix2pix import editor_at

            try:
                return in_passing(partial(editor_at, run, step))
            except TrainerError as error:
                raise IncompatibleModel(str(error)) from None
