"""How many weights a file holds, and how many bytes they take, by its first lines: no weight is read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from editors.model.loading.kinds import header_of

if TYPE_CHECKING:
    import torch

_EMBEDDINGS: Final = (
    "embed_tokens",
    "pos_embed",
    "position_embedding",
    "relative_attention_bias",
    "shared",
    "token_embedding",
)
"""How encoders call matrices that are looked up in, and not multiplied with."""
_OF_PARTS: Final = {
    "model.diffusion_model.": "unet",
    "first_stage_model.": "vae",
    "cond_stage_model.": "text_encoder",
    "conditioner.": "text_encoder",
}
"""How names of weights begin in a single file of Stable Diffusion's -> the part that they are of."""


@dataclass(frozen=True, slots=True)
class NumWeights:
    """How many weights there are.

    Attributes:
        total: All of them.
        in_matrices: Of linear layers, which can be held in eight bits.
        rows: Of these matrices.
    """

    total: int = 0
    in_matrices: int = 0
    rows: int = 0

    def __add__(self, other: "NumWeights") -> "NumWeights":
        return NumWeights(
            self.total + other.total, self.in_matrices + other.in_matrices, self.rows + other.rows
        )

    def num_bytes(self, dtype: "torch.dtype") -> int:
        """Return what they take in a format."""
        return self.total * dtype.itemsize

    def num_int8_bytes(self, dtype: "torch.dtype") -> int:
        """Return what they take with matrices in eight bits, and scales and the rest in a format."""
        return self.in_matrices + (self.total - self.in_matrices + self.rows) * dtype.itemsize


def count(shapes: Iterable[tuple[str, Any]]) -> NumWeights:
    """Count weights by their names and shapes; a shape that is none counts nothing."""
    return sum((_counted(name, shape) for name, shape in shapes), NumWeights())


def count_weights(file: Path) -> NumWeights:
    """Count the weights in a safetensors file; what its first lines do not say counts nothing."""
    said = {name: one for name, one in header_of(file).items() if isinstance(one, Mapping)}
    return count((name, one.get("shape")) for name, one in said.items())


def count_parts(file: Path) -> dict[str, NumWeights]:
    """Count the weights of each part in a single file of a whole model; of other files nothing."""
    counts: dict[str, NumWeights] = {}
    for name, one in header_of(file).items():
        part = next((part for begin, part in _OF_PARTS.items() if name.startswith(begin)), None)
        if part is not None and isinstance(one, Mapping):
            counts[part] = counts.get(part, NumWeights()) + _counted(name, one.get("shape"))
    return counts


def _counted(name: str, shape: Any) -> NumWeights:
    if not isinstance(shape, list) or not all(isinstance(side, int) for side in shape):
        return NumWeights()
    *_, layer, kind = ("", *name.rsplit(".", 2))
    is_matrix = len(shape) == 2 and kind == "weight" and layer not in _EMBEDDINGS
    return NumWeights(prod(shape), *((prod(shape), shape[0]) if is_matrix else (0, 0)))
