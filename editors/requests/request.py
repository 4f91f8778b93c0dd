"""The base of requests: they are written as JSON and read back.

Law: what `to_json` writes, `from_json` reads; pictures go by reference, and what is no such request is one
sentence. Importing this module imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from PIL import Image

from editors.errors import InvalidEdit
from editors.requests import rules
from editors.requests.picture import Picture
from editors.requests.spelling import as_json

_SINGLE = ("original_image", "mask")
_LISTS = ("references",)
PICTURES = (*_SINGLE, *_LISTS)
"""Fields of requests that hold pictures."""


class Request:
    """The base of all requests, which are frozen dataclasses."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Any]]
    seed: int | None

    def to_json(self) -> str:
        """Write the request as JSON; pictures go in by reference (path, or content hash of one in memory)."""
        record: dict[str, Any] = {"edit": type(self).__name__}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Image.Image | Picture | Path):
                value = rules.reference(value)
            elif item.name in _LISTS and value is not None:
                value = [rules.reference(one) for one in value]
            elif is_dataclass(value) and not isinstance(value, type):
                value = asdict(value)
            record[item.name] = value
        return as_json(record)

    @classmethod
    def from_json(cls, text: str, *, pictures: Mapping[str, Image.Image] | None = None) -> Self:
        """Read a request back; pictures in memory are looked up in `pictures` by their reference.

        Raises:
            InvalidEdit: The text is no such request, or a field of it is wrong.
        """
        record = _record(cls.__name__, text)
        known = {item.name: item for item in fields(cls)}
        unknown = sorted(set(record) - set(known))
        if unknown:
            raise InvalidEdit(
                unknown[0], f"is no field of {cls.__name__}; the fields are {', '.join(known)}."
            )
        for name in _SINGLE:
            if isinstance(record.get(name), str):
                record[name] = rules.dereference(name, record[name], pictures or {})
        for name in _LISTS:
            if isinstance(record.get(name), list):
                record[name] = [
                    rules.dereference(name, one, pictures or {}) if isinstance(one, str) else one
                    for one in record[name]
                ]
        for name, kind in cls._parts().items():
            if isinstance(record.get(name), dict):
                record[name] = _part(name, kind, record[name])
        for name, item in known.items():
            if name not in record and item.default is MISSING and item.default_factory is MISSING:
                raise InvalidEdit(name, f"is missing; a {cls.__name__} needs it.")
        return cls(**record)

    @classmethod
    def _parts(cls) -> Mapping[str, type]:
        """Return the fields that are themselves dataclasses."""
        return {}


def _record(kind: str, text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.pop("edit", kind) != kind:
        raise InvalidEdit("", f"The text is no {kind} in JSON; give what {kind}.to_json() wrote.")
    return record


def _part(name: str, kind: type, record: dict[str, Any]) -> Any:
    unknown = sorted(set(record) - {item.name for item in fields(kind)})
    if unknown:
        raise InvalidEdit(
            f"{name}.{unknown[0]}",
            f"is no field of {kind.__name__}; the fields are "
            f"{', '.join(item.name for item in fields(kind))}.",
        )
    return kind(**record)
