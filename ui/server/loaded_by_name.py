"""Things that are loaded by name when first asked for, and kept: models above all, a few at a time."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
ROOM = 2
"""What stays loaded of a kind; what was used the longest time ago goes."""


class LoadedByName(Generic[T]):
    """Gives things by their names."""

    def __init__(self, load: Callable[[str], T], *, room: int = ROOM) -> None:
        """Begin with nothing loaded.

        Args:
            load: Loads one by its name; what it raises is passed on.
            room: How many are kept.
        """
        self._load, self._room = load, room
        self._there: OrderedDict[str, T] = OrderedDict()
        self._moving, self._loading = Lock(), Lock()

    def __call__(self, name: str) -> T:
        """Return what goes by a name; one at a time is loaded, and what is there need not wait for it."""
        if (found := self._taken(name)) is not None:
            return found
        with self._loading:
            if (found := self._taken(name)) is not None:  # another has loaded it meanwhile
                return found
            loaded = self._load(name)
            with self._moving:
                self._there[name] = loaded
                while len(self._there) > self._room:
                    self._there.popitem(last=False)
            return loaded

    def is_ready(self, name: str) -> bool:
        """Say whether what goes by a name is there, without loading it."""
        with self._moving:
            return name in self._there

    def _taken(self, name: str) -> T | None:
        with self._moving:
            if name in self._there:
                self._there.move_to_end(name)
            return self._there.get(name)
