"""The models that the page edits with, by the names that people see, and how each is loaded.

Law: a name that comes from a browser opens what is listed here, and, where no other machine can reach the
page, a model of the Hub; it never opens a path.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from editors import EditorError, IncompatibleModel
from editors.below import found_below
from editors.files import user_path
from editors.model.loading.kinds import is_edit_model
from editors.requests.lora import Lora
from editors.requests.results import InstructionEditor
from trainer.config import InstructPix2PixConfig, read_config
from trainer.errors import InvalidConfig
from trainer.runs.checkpoint import reached
from trainer.runs.folder import finished
from trainer.watching import runs_below
from ui.server.late import LateEditor
from ui.server.loaded_by_name import LoadedByName
from ui.server.lora_names import listed, loras_below, taken_apart

POCKET: Final = "pocket"
MOST_REFUSED: Final = 64
"""Names of models that could not be loaded which are remembered."""
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w-][\w.-]*)?")  # a revision may follow


class Opener(Protocol):
    """Loads models."""

    def model(self, name: str, loras: Sequence[Lora] = ()) -> InstructionEditor:
        """Load "pocket", a folder, that of a finished run, or a model of the Hub; lay LoRAs over it."""
        ...

    def needs(self, name: str) -> str:
        """Say in a sentence what such a model needs before it is loaded; "" where it is not worth saying."""
        ...

    def checkpoint(self, run: Path, step: int) -> InstructionEditor:
        """Load what a run has come to at a step, from its checkpoint."""
        ...


class Models:
    """Gives editors by the names of their models; a few stay loaded."""

    def __init__(
        self,
        first: str,
        editor: InstructionEditor,
        opener: Opener | None = None,
        *,
        folder: Path | None = None,
        runs: Path | None = None,
        hub: bool = False,
    ) -> None:
        """List the models.

        Args:
            first: Name of the one that edits at first.
            editor: Its editor, which stays.
            opener: Loads the others; None: there are none.
            folder: Where more models lie.
            runs: Where training runs lie, which are models, too.
            hub: Whether who is at the page may name a model of the Hub.
        """
        self.first, self._editor, self._opener = first, editor, opener
        self._folder, self._runs, self.hub = folder, runs, hub and opener is not None
        self._by_name = LoadedByName(self._load)
        self._refused: OrderedDict[str, str] = OrderedDict()

    def __call__(self, name: str) -> InstructionEditor:
        """Return the editor with a model.

        Raises:
            EditorError: There is no model of that name, or it cannot be loaded.
        """
        return self._editor if name == self.first else self._by_name(name)

    def prepare(self, name: str) -> str | None:
        """Load a model before its edit waits in line; say why it cannot be, None where it can."""
        self._refused.pop(name, None)
        try:
            self(name)
        except EditorError as error:
            self._refused[name] = str(error)
            while len(self._refused) > MOST_REFUSED:
                self._refused.popitem(last=False)
            return str(error)
        return None

    def prepared(self, name: str) -> InstructionEditor:
        """Return the editor with a model that was prepared: what could not be loaded is not tried again.

        Raises:
            EditorError: As for calling this.
        """
        if (said := self._refused.get(name)) is not None:
            raise IncompatibleModel(said)
        return self(name)

    @property
    def can_change(self) -> bool:
        """Whether there may be any other than the first."""
        return self.hub or self._folder is not None or self._runs is not None or len(self.names()) > 1

    def is_ready(self, name: str) -> bool:
        """Say whether a model is loaded."""
        if name == self.first:
            return not isinstance(self._editor, LateEditor) or self._editor.is_ready
        return self._by_name.is_ready(name)

    def names(self) -> list[str]:
        """Return the names of the models there are now, the first one first."""
        return [self.first, *(name for name in self._ways() if name != self.first)]

    def loras(self) -> dict[str, Path]:
        """Return the LoRAs there are now, by name: those that lie in the folder of models."""
        return {} if self._opener is None else loras_below(self._folder)

    def needs(self, name: str) -> str:
        """Say in a sentence what a model needs before it is loaded; "" where it is not worth saying.

        Raises:
            EditorError: It is one of the Hub that cannot be used or reached.
        """
        base, _ = taken_apart(name)
        if self._opener is None or self.is_ready(name):
            return ""
        place = self._places().get(base)
        if place is None and not self._is_of_hub(base):
            return ""
        return self._opener.needs(base if place is None else str(place))

    def _places(self) -> dict[str, Path]:
        """Return the folders of the models below the folder of models, by name."""
        if self._folder is None:
            return {}
        root = user_path(self._folder)
        found = sorted({*found_below(root, "model_index.json"), *found_below(root, "pocket.json")})
        return {
            root.resolve().name if place == "." else place: root / place
            for place in found
            if is_edit_model(root / place)
        }

    def _is_of_hub(self, name: str) -> bool:
        """Say whether a name may be the id of a model of the Hub, where such may be named."""
        return self.hub and _HUB_ID.fullmatch(name) is not None and not Path(name).exists()

    def _ways(self) -> dict[str, Callable[..., InstructionEditor]]:
        """Return how each model that is listed is loaded, besides the first; each may take LoRAs."""
        if self._opener is None:
            return {}
        opened = self._opener.model
        ways: dict[str, Callable[..., InstructionEditor]] = {POCKET: partial(opened, POCKET)}
        for name, place in self._places().items():
            ways.setdefault(name, partial(opened, str(place)))
        if self._runs is not None:
            root = user_path(self._runs)
            for found in runs_below(root):
                if (run := name_of_run(root / found, found)) is not None:
                    ways.setdefault(run, partial(_of_run, self._opener, root / found))
        return ways

    def _load(self, name: str) -> InstructionEditor:
        base, over = taken_apart(name)
        ways = self._ways()
        if self._opener is not None:
            ways.setdefault(own := taken_apart(self.first)[0], partial(self._opener.model, own))
        if (way := ways.get(name)) is not None:
            return way()
        if over and (way := ways.get(base)) is not None:
            there = self.loras()
            return way(loras=[listed(one, there) for one in over])
        if self._opener is not None and self._is_of_hub(name):
            return self._opener.model(name)
        choice = ", ".join(self.names())
        more = ", or a Hub id such as timbrooks/instruct-pix2pix" if self.hub else ""
        raise IncompatibleModel(f"{name!r} is no model of this page (any more); choose from {choice}{more}.")


def _of_run(opener: Opener, run: Path, loras: Sequence[Lora] = ()) -> InstructionEditor:
    """Return the editor with what a run has come to: its model, or its newest checkpoint.

    Raises:
        IncompatibleModel: LoRAs are to be laid over a checkpoint.
    """
    if finished(run):
        return opener.model(str(run), loras) if loras else opener.model(str(run))
    if loras:
        raise IncompatibleModel("A LoRA is laid over a finished model; this run is not done yet.")
    return opener.checkpoint(run, reached(run))


def name_of_run(run: Path, name: str) -> str | None:
    """Return what the model of a run is called, None where there is none that edits by instructions.

    Args:
        run: Its folder.
        name: The run's own.
    """
    try:
        if not isinstance(read_config(run), InstructPix2PixConfig):
            return None
    except InvalidConfig:
        return None
    if finished(run):
        return f"run {name}"
    return f"run {name}, step {step}" if (step := reached(run)) else None
