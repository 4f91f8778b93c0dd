"""Widen a base model's conv_in from C to 2C channels, so that it can be told a picture.

Reference: Tim Brooks, Aleksander Holynski, Alexei A. Efros, "InstructPix2Pix: Learning to Follow Image
Editing Instructions" (2023, arXiv 2211.09800), §3.2: the weights that act on the new channels start at
zero.

Law: the widened UNet gives the base's output bit for bit, whatever stands in the new channels; the bias is
the base's.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UNet2DConditionModel


@torch.no_grad()
def widen(base: Any) -> Any:
    """Return a copy of a UNet with twice the input channels, the new ones ignored.

    Args:
        base: A UNet2DConditionModel of C input channels.
    """
    channels = base.config.in_channels
    widened = UNet2DConditionModel.from_config({**base.config, "in_channels": 2 * channels})
    weights = base.state_dict()
    kernel = weights["conv_in.weight"]
    weights["conv_in.weight"] = torch.cat([kernel, torch.zeros_like(kernel)], dim=1)
    widened.load_state_dict(weights)
    return widened.to(kernel.device, kernel.dtype)
