"""A cache of values that never change, under a lock, within so many bytes.

Law: whoever looks something up has it for good, whatever is put in or dropped meanwhile; the bytes kept never
exceed the budget.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Protocol, TypeVar, cast


class Kept(Protocol):
    """A value that knows its size."""

    @property
    def nbytes(self) -> int:
        """Bytes of its tensors."""
        ...


KeptT = TypeVar("KeptT", bound=Kept)


class Cache:
    """The least recently used values are dropped first.

    Attributes:
        budget: Bytes it may hold.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, Kept] = OrderedDict()
        self._nbytes = 0

    def __len__(self) -> int:
        return len(self._values)

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._nbytes

    def get(self, kind: type[KeptT], key: Hashable) -> KeptT | None:
        """Return what is kept under a kind and a key, if anything is."""
        with self._lock:
            value = self._values.get((kind, key))
            if value is not None:
                self._values.move_to_end((kind, key))
            return cast(KeptT | None, value)

    def put(self, key: Hashable, value: Kept) -> None:
        """Keep a value, in place of one of its kind under that key; one over the budget is not kept."""
        place = (type(value), key)
        with self._lock:
            self._drop(place)
            if value.nbytes > self.budget:
                return
            self._values[place] = value
            self._nbytes += value.nbytes
            while self._nbytes > self.budget:
                self._drop(next(iter(self._values)))

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._values.clear()
            self._nbytes = 0

    def _drop(self, place: Any) -> None:
        value = self._values.pop(place, None)
        if value is not None:
            self._nbytes -= value.nbytes
