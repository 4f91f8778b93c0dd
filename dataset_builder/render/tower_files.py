"""Files of the small networks that look at drawn pictures, scorer and judge: their weights, and a card.

Law: what is read computes what was saved, rounded to float16.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from safetensors.torch import load_file, save
from torch import nn

from dataset_builder.shards.storage import canonical_json, write_atomically

WEIGHTS_FILE: Final = "model.safetensors"
ModelT = TypeVar("ModelT", bound=nn.Module)


def save_network(folder: Path, card_file: str, model: nn.Module, card: Mapping[str, Any]) -> None:
    """Write a network, rounded to float16, and its card, which says at `network` how it is built."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: weight.detach().cpu().half().contiguous() for name, weight in model.state_dict().items()}
    write_atomically(folder / WEIGHTS_FILE, save(weights))
    write_atomically(folder / card_file, f"{canonical_json(dict(card))}\n".encode())


def read_network(
    folder: Path, card_file: str, build: Callable[[dict[str, Any], dict[str, Any]], ModelT]
) -> tuple[ModelT, dict[str, Any]]:
    """Return a network that `save_network` wrote, and its card.

    Args:
        folder: Where it lies.
        card_file: Name of its card.
        build: Builds it, with any weights, of the card and of what that says at `network`.

    Raises:
        Exception: Whatever a missing or damaged file makes of its readers.
    """
    card: dict[str, Any] = json.loads((folder / card_file).read_text(encoding="utf-8"))
    network = {
        name: tuple(value) if isinstance(value, list) else value for name, value in card["network"].items()
    }
    model = build(card, network)
    weights = load_file(folder / WEIGHTS_FILE)
    model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return model, card
