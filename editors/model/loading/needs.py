"""What a model needs before it is loaded: its licence, how much is fetched, how much memory it takes.

Law: weights are counted, not guessed: by the first lines of their files, times the bytes of the format that
each part is used in. Where they do not fit, nothing is fetched or loaded.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import torch

from editors.errors import IncompatibleModel, InvalidEdit
from editors.files import read_text
from editors.model.arithmetic import EMULATED, slowness
from editors.model.devices import choose_device, choose_dtype
from editors.model.dtypes import AUTO
from editors.model.int8 import read_for_int8
from editors.model.loading.counting import NumWeights, count_parts, count_weights
from editors.model.loading.hub import (
    INDEX,
    Found,
    is_of_variant,
    licence_of,
    look_up,
)
from editors.model.loading.index import part_names
from editors.model.loading.kinds import find_model, may_be_hub_id, variant_of
from editors.model.loading.layout import read_object
from editors.model.parts import FAMILIES, NETWORKS
from editors.model.residence import MemoryUse, Residence

_GIGA: Final = 10**9
_WORTH_SAYING: Final = _GIGA
"""Bytes of memory from which on people are told of them."""
_SINGLE_FILE: Final = "StableDiffusionPipeline"
"""Of whose build models in a single file are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """What a model needs.

    Attributes:
        name: The model's, as it was asked for.
        licence: As its card says it; None where it says none, and nothing where there can be no card.
        num_missing_bytes: To be fetched.
        num_bytes: Of memory, for its weights; what is computed with them comes on top.
        num_half_bytes: Likewise, were all computed in bfloat16.
        num_apart_bytes: Of memory of a graphics card, were parts brought there one at a time: for the largest
            and the autoencoder; None for models of Stable Diffusion's build, which lie there as a whole.
        num_int8_bytes: Of memory, were matrices held in eight bits; None for those models.
        num_bytes_to_int8: Of main memory until they are: a part is read as a whole, beside those before it.
        device: That it is computed on.
        dtype: That its network is computed in.
        found: What there is of it, so that nobody asks again.
    """

    name: str
    licence: str | None
    num_missing_bytes: int
    num_bytes: int
    num_half_bytes: int
    num_apart_bytes: int | None
    num_int8_bytes: int | None
    num_bytes_to_int8: int | None
    device: torch.device
    dtype: torch.dtype
    found: Found

    def said_of(self, memory: MemoryUse) -> str:
        """Say it in a sentence or two that name the model; see `told_of`."""
        told = self.told_of(memory)
        return f"{self.name}: {told[:1].lower()}{told[1:]}" if told else ""

    def told_of(self, memory: MemoryUse) -> str:
        """Say it in a sentence or two; nothing where the model is small and here.

        Raises:
            IncompatibleModel: As `residence`.
            InvalidEdit: As `residence`.
        """
        residence, told = self.residence(memory), self.told
        if residence == "offload":
            told += f" Its parts wait in main memory, and come to {self.device} one at a time."
        elif residence == "int8":
            told += f" Its matrices are held in eight bits: {_size(self.num_int8_bytes or 0)} in all."
        return told.strip()

    @property
    def told(self) -> str:
        """All of it in one sentence; nothing where the model is small and here."""
        licence = f"Licence {self.licence}" if self.licence else self.licence
        told = [
            "Its card names no licence" if licence is None else licence,
            f"{_size(self.num_missing_bytes)} to fetch" if self.num_missing_bytes else "",
            f"{_size(self.num_bytes)} of memory in {_called(self.dtype)}",
        ]
        is_small = self.num_bytes < _WORTH_SAYING and not self.num_missing_bytes
        return "" if is_small else f"{', '.join(filter(None, told))}."

    def residence(self, memory: MemoryUse) -> Residence:
        """Choose where the parts lie: where there is room for them.

        Args:
            memory: What was asked for.

        Raises:
            IncompatibleModel: There is no room; the sentence says how there would be.
            InvalidEdit: Parts of this model cannot be brought to its device one at a time.
        """
        if self.num_apart_bytes is None:  # of Stable Diffusion's build
            memory = "full"
        elif memory == "offload" and self.device.type != "cuda":
            raise InvalidEdit(
                "memory",
                f"“offload” brings parts to a graphics card one at a time, and {self.name} is computed on "
                f"{self.device}; leave it out.",
            )
        asked: tuple[Residence, ...] = self._ways if memory == "auto" else (memory,)
        lacking = []
        for residence in asked:
            found = self._lacking(residence)
            if found is None:
                return residence
            lacking.append(found)
        instead = [way for way in self._ways if way not in asked]
        raise self._no_room(*lacking[0], asked=asked[0], instead=instead)

    @property
    def _ways(self) -> tuple[Residence, ...]:
        """Where parts can lie, best first: as they are, before a little off."""
        if self.num_apart_bytes is None:
            return ("full",)
        return ("full", "offload", "int8") if self.device.type == "cuda" else ("full", "int8")

    def _no_room(
        self, where: str, needed: int, free: int, *, asked: Residence, instead: Sequence[Residence]
    ) -> IncompatibleModel:
        has_half = self.device.type != "cpu" or slowness("bfloat16") < EMULATED
        fits = self.num_half_bytes <= free and self.dtype == torch.float32 and has_half
        other = next((way for way in instead if self._lacking(way) is None), None)
        remedy = "close other programs, or give a smaller model"
        if other == "offload":
            remedy = "choose offload as memory, with which its parts wait until they are needed"
        elif fits:
            remedy = f"choose bfloat16 as dtype, in which it takes {_size(self.num_half_bytes)}"
        elif other == "int8":
            remedy = f"choose int8 as memory, with which it takes {_size(self.num_int8_bytes or 0)}"
        held = "int8" if asked == "int8" else _called(self.dtype)
        return IncompatibleModel(
            f"{self.name}: takes {_size(needed)} of memory in {held}, and {_size(free)} are free{where}; "
            f"{remedy}."
        )

    def _lacking(self, residence: Residence) -> tuple[str, int, int] | None:
        """Return where there is no room, how many bytes are needed there, and how many free; None: nowhere.

        All parts go through main memory, but in eight bits from the moment that they are read.
        """
        here = self.num_bytes_to_int8 if residence == "int8" else self.num_bytes
        there = {"full": self.num_bytes, "offload": self.num_apart_bytes, "int8": self.num_int8_bytes}
        free = int(psutil.virtual_memory().available + psutil.swap_memory().free)
        places = [("", here or 0, free)]
        if self.device.type == "cuda":
            on_card = int(torch.cuda.mem_get_info(self.device)[0])
            places.append((f" on {self.device}", there[residence] or 0, on_card))
        return next((one for one in places if one[1] > one[2]), None)


def needs_of(
    name: str, *, device: str | torch.device | None = None, dtype: torch.dtype | str | None = None
) -> Needs | None:
    """Return what a model needs, without fetching or loading it.

    Args:
        name: As for `load`.
        device: As for `load`.
        dtype: As for `load`; "auto" is counted as None is.

    Returns:
        The needs; None for pocket and its like, and for what is no model.

    Raises:
        IncompatibleModel: It is a model of the Hub that cannot be used or reached.
        InvalidEdit: The device or dtype is not to be had.
    """
    target = choose_device(device)
    network = choose_dtype(target, None if dtype == AUTO else dtype)
    others = torch.float32 if dtype in (None, AUTO) else network
    counted = _counted(name)
    if counted is None:
        return None
    found, kind, licence, num_missing_bytes, counts = counted
    is_large = kind in FAMILIES

    def formats(network: torch.dtype, others: torch.dtype) -> dict[str, torch.dtype]:
        return {part: network if _is_as_network(part, kind) else others for part in counts}

    def sizes(network: torch.dtype, others: torch.dtype) -> dict[str, int]:
        return {part: counts[part].num_bytes(dtype) for part, dtype in formats(network, others).items()}

    own = sizes(network, others)
    apart = {part: size for part, size in own.items() if part != "vae"}
    in_int8 = {
        part: counts[part].num_int8_bytes(dtype) if part in apart else own[part]
        for part, dtype in formats(network, others).items()
    }
    # Each part is held so before the next is read.
    read, peak = 0, 0
    for part, size in sizes(read_for_int8(network), others).items():
        peak, read = max(peak, read + size), read + in_int8[part]
    return Needs(
        name=name,
        licence=licence,
        num_missing_bytes=num_missing_bytes,
        num_bytes=sum(own.values()),
        num_half_bytes=sum(sizes(torch.bfloat16, torch.bfloat16).values()),
        num_apart_bytes=max(apart.values(), default=0) + own.get("vae", 0) if is_large else None,
        num_int8_bytes=read if is_large else None,
        num_bytes_to_int8=max(peak, read) if is_large else None,
        device=target,
        dtype=network,
        found=found,
    )


def _counted(name: str) -> tuple[Found, str, str | None, int, dict[str, NumWeights]] | None:
    """Return what there is of a model, its pipeline, licence, bytes to fetch, and weights of its parts."""
    path = find_model(name)
    if path.is_file():
        counts = count_parts(path)
        return (path, _SINGLE_FILE, "", 0, counts) if counts else None
    if path.exists() or name == "pocket" or not may_be_hub_id(name):
        return _counted_in(path, name)
    found = look_up(name)
    if isinstance(found, Path):
        return _counted_in(found, name)
    return found, found.kind, found.licence, found.num_missing_bytes, found.num_weights()


def _counted_in(folder: Path, name: str) -> tuple[Found, str, str | None, int, dict[str, NumWeights]] | None:
    if not (folder / INDEX).is_file():
        return None
    facts = read_object(folder / INDEX, name)
    counts: dict[str, NumWeights] = {}
    for part in part_names(facts, name):
        files = [file for file in (folder / part).glob("*.safetensors") if file.name[0] != "."]
        variant = variant_of([file.name for file in files], f"{name}: its {part}")
        own = [count_weights(file) for file in files if is_of_variant(variant, file.name)]
        counts |= {part: sum(own, NumWeights())} if own else {}
    return folder, str(facts.get("_class_name")), licence_of(_card(folder)), 0, counts


def _card(folder: Path) -> Any:
    """Return what the card of a model says at the head of its README; None where there is none."""
    from huggingface_hub import ModelCard

    with suppress(Exception):  # a card is for people, and nothing depends on it
        return ModelCard(read_text(folder / "README.md")).data
    return None


def _is_as_network(part: str, kind: str) -> bool:
    """Say whether a part is computed in the network's format: of some families the language model is, too."""
    return part in NETWORKS or (kind in FAMILIES and part != "vae")


def _size(num_bytes: int) -> str:
    return f"{num_bytes / _GIGA:.1f} GB"


def _called(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
