"""An editor that is there before its model is: the page can be looked at while that is loaded."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from threading import Lock

from editors.requests.edits import InstructionEdit
from editors.requests.results import EditResult, InstructionEditor, Step
from editors.requests.settings import Settings


@dataclass(kw_only=True, slots=True, eq=False)
class LateEditor:
    """An `InstructionEditor` whose model is loaded once, when it is asked to or first needed.

    Attributes:
        open: Loads it; what it raises is passed on, and the next one who needs it tries again.
        recommended: As the model's files say.
        instructions: As the model's files say.
        phrases: As the model's files say.
        max_references: As the model's files say.
        has_scales: As the model's files say.
    """

    open: Callable[[], InstructionEditor]
    recommended: Settings
    instructions: tuple[str, ...]
    phrases: tuple[str, ...] = ()
    max_references: int = 0
    has_scales: bool = True
    _loaded: InstructionEditor | None = None
    _loading: Lock = field(default_factory=Lock)

    @property
    def is_ready(self) -> bool:
        """Whether an edit can begin at once."""
        return self._loaded is not None

    def load(self) -> InstructionEditor:
        """Return the editor with its model; who comes while it is loaded waits for it."""
        with self._loading:
            if self._loaded is None:
                self._loaded = self.open()
            return self._loaded

    def edit(self, edit: InstructionEdit) -> EditResult:
        """Carry out the edit."""
        return self.load().edit(edit)

    def stream(self, edit: InstructionEdit) -> Generator[Step, None, EditResult]:
        """Carry out the edit step by step; closing the generator cancels."""
        return (yield from self.load().stream(edit))
