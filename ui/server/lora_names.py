"""Names of models with LoRAs laid over them: "pocket + winter=0.8", for people and programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from editors.below import files_below
from editors.errors import IncompatibleModel, InvalidEdit
from editors.model.loading.kinds import holds_lora
from editors.requests.lora import Lora

_AND: Final = " + "
_SUFFIX: Final = ".safetensors"


def with_loras(model: str, loras: Sequence[Lora]) -> str:
    """Return the name of a model with LoRAs over it."""
    return _AND.join([model, *(lora.label for lora in loras)])


def with_lora(model: str, lora: str | None, scale: float) -> str:
    """Return the name of a model, whatever lies over it, with one listed LoRA over it; None for none."""
    base, _ = taken_apart(model)
    return base if not lora else f"{base}{_AND}{lora}={scale:g}"


def taken_apart(name: str) -> tuple[str, tuple[str, ...]]:
    """Return a name's model, and what is laid over it."""
    base, *over = name.split(_AND)
    return base, tuple(over)


def loras_below(folder: Path | None) -> dict[str, Path]:
    """Return the LoRAs at and below a folder, by their paths from there without the ending."""
    if folder is None:
        return {}
    found = {name.removesuffix(_SUFFIX): folder / name for name in files_below(folder, f"*{_SUFFIX}")}
    return {name: path for name, path in found.items() if holds_lora(path)}


def listed(given: str, there: dict[str, Path]) -> Lora:
    """Return the LoRA that a part of a name means.

    Args:
        given: Its name, or NAME=SCALE.
        there: Those that may be meant.

    Raises:
        IncompatibleModel: It means none.
    """
    name, _, scale = (given, "=", "1") if given in there else given.rpartition("=")
    try:
        return Lora(path=there[name], scale=float(scale))
    except KeyError:
        choice = ", ".join(there) or "there are none"
        raise IncompatibleModel(f"{given!r} is no LoRA of this page; choose from {choice}.") from None
    except InvalidEdit:
        raise
    except ValueError:
        raise IncompatibleModel(f"{given!r} has no scale behind its =; write it like {name}=0.8.") from None
