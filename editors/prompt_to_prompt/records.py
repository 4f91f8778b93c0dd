"""Records of originals and edits that were drawn, from which the next edit goes on.

Reference: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626): the original's branch never depends on the edit. So its latents, and the queries and keys that
edits take over, can be kept; and where two edits of one original act alike up to some step, so are their
latents.

Law: what is kept is what was computed, so an edit that uses it has the same bits as one that does not.
"""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editors.prompt_to_prompt.looks import Look

Looks = Mapping[tuple[str, str], Look]
"""What one picture attended with in one network call, by site and half of the batch."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SourceRecord:
    """An original that was drawn, or a photo that was followed, to the end.

    Attributes:
        outputs: Per call the guided output of the network, (C, h, w); None for a photo, whose path is known.
        looks: Per call what it attended with, or None where that was not kept.
        picture: As it was decoded, (H, W, 3) in [0, 1].
        redrawn: For a photo where its prompt would have led, to first order, (C, h, w); None if not known.
    """

    outputs: tuple[Tensor, ...] | None
    looks: tuple[Looks | None, ...]
    picture: NDArray[np.float32]
    redrawn: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors; keys of a prompt's tokens are the same in every call and count once."""
        tensors: dict[int, int] = {}
        for each in self.looks:
            for look in (each or {}).values():
                tensors[id(look.query)] = look.query.nbytes
                tensors[id(look.key)] = look.key.nbytes
        outputs = sum(output.nbytes for output in self.outputs or ())
        redrawn = 0 if self.redrawn is None else self.redrawn.nbytes
        return sum(tensors.values()) + outputs + self.picture.nbytes + redrawn


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EditRecord:
    """An edit that was drawn to the end.

    Attributes:
        signs: Per call all that acted in it; equal beginnings have equal latents.
        outputs: Per call the guided output of the network, (C, h, w).
        seen: Per call, and observer of attention, what it had summed up by then.
    """

    signs: tuple[Hashable, ...]
    outputs: tuple[Tensor, ...]
    seen: tuple[tuple[tuple[Tensor, ...], ...], ...]

    def agrees(self, signs: Sequence[Hashable]) -> int:
        """Return in how many calls from the first on both act alike."""
        return agreement(self.signs, signs)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EditRecords:
    """The latest edits of one original with one edited prompt."""

    records: tuple[EditRecord, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        return sum(
            tensor.nbytes
            for record in self.records
            for tensors in (record.outputs, *(state for states in record.seen for state in states))
            for tensor in tensors
        )

    def best(self, signs: Sequence[Hashable]) -> tuple[EditRecord | None, int]:
        """Return the record that agrees longest, and in how many calls."""
        found: tuple[EditRecord | None, int] = (None, 0)
        for record in self.records:
            agreed = record.agrees(signs)
            if agreed > found[1]:
                found = (record, agreed)
        return found

    def with_latest(self, record: EditRecord, *, most: int = 4) -> "EditRecords":
        """Return these with another, without the oldest of too many."""
        others = [other for other in self.records if other.signs != record.signs]
        return EditRecords(records=(*others, record)[-most:])


def agreement(ours: Sequence[Hashable], theirs: Sequence[Hashable]) -> int:
    """Return how many signs from the first on two edits have in common."""
    pairs = zip(ours, theirs, strict=False)
    return next((n for n, (one, other) in enumerate(pairs) if one != other), len(ours))


def sign(*values: Any) -> str:
    """Return a digest of tensors, arrays and plain values."""
    digest = hashlib.sha256()
    for value in values:
        if isinstance(value, Tensor):
            digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().float().numpy().tobytes())
        elif hasattr(value, "tobytes"):
            digest.update(f"{value.shape}".encode() + value.tobytes())
        else:
            digest.update(repr(value).encode())
    return digest.hexdigest()


def weights_sign(*modules: torch.nn.Module) -> int:
    """Return a number that changes whenever a weight is changed or exchanged; good in this process only."""
    return hash(
        tuple(
            (id(parameter) if moves else parameter.data_ptr(), _version(parameter))
            # What waits in main memory until it is called lies in one place there, and another on the device.
            for module, moves in ((module, hasattr(module, "_hf_hook")) for module in modules)
            for parameter in module.parameters()
        )
    )


def _version(parameter: Tensor) -> int:
    return 0 if parameter.is_inference() else parameter._version
