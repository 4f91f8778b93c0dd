"""What a step needs of tasks that look at pictures themselves, not at latents."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from trainer.data.draws import Rows


class Pictured(NamedTuple):
    """Pictures of a step, uint8 (B, H, W, 3) on the CPU, and the numbers of each."""

    rows: Rows
    pictures: Tensor
