"""What rows attend with: those of a batch, and those that were recorded before.

Law: a row is the same, whether it stands in the batch or was recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from editors.model.attention import AttentionSite, attend


class Look(NamedTuple):
    """Query, key and mask of one row at one site: `(heads, P, D)`, `(heads, K, D)`, `(heads, 1 or P, K)`."""

    query: Tensor
    key: Tensor
    mask: Tensor | None = None

    def at(self, value: Tensor) -> Tensor:
        """Attend to values, `(heads, K, D)`, or with all else of several rows, `(B, heads, K, D)`."""
        return attend(self.query, self.key, value, self.mask)


class Recorded(Protocol):
    """Rows that are not in the batch, because they were attended before."""

    def at(self, site: AttentionSite, step: int) -> Mapping[int, Look]:
        """Return the recorded rows by their number, which begins where the batch's rows end."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of a batch, stacked, and further ones by their number.

    Attributes:
        batch: The batch's, all in one.
        others: The further ones.
    """

    batch: Look
    others: Mapping[int, Look]

    def row(self, number: int) -> Look:
        """Return a row."""
        if number in self.others:
            return self.others[number]
        mask = self.batch.mask
        return Look(self.batch.query[number], self.batch.key[number], None if mask is None else mask[number])

    def take(self, numbers: Sequence[int]) -> Look:
        """Return these rows, without the copy of an index to the device that `tensor[rows]` makes."""
        looks = [self.row(number) for number in numbers]
        query, key = torch.stack([look.query for look in looks]), torch.stack([look.key for look in looks])
        masks = [look.mask for look in looks if look.mask is not None]
        return Look(query, key, torch.stack(masks) if masks else None)
