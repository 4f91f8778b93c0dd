"""Read the tables of the vocabulary: a row of TOML becomes a frozen value.

Law: a row holds the fields of its value and nothing else; whoever misspells one is told at once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, TypeVar

T = TypeVar("T")


@lru_cache(maxsize=16)
def table(file: str) -> dict[str, Any]:
    """Return a file of this folder, its lists as tuples; callers must not write to it."""
    text = (files(__package__) / f"{file}.toml").read_text(encoding="utf-8")
    read: dict[str, Any] = _frozen(tomllib.loads(text))
    return read


def rows(kind: Callable[..., T], table: Mapping[str, Mapping[str, Any]]) -> Mapping[str, T]:
    """Return the rows of a table as values by name, in its order.

    Raises:
        TypeError: A row has a field too many or too few.
    """
    return MappingProxyType({name: kind(name=name, **row) for name, row in table.items()})


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(one) for one in value)
    return {key: _frozen(one) for key, one in value.items()} if isinstance(value, dict) else value
