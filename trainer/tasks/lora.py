"""Low-rank training of an edit model: little to learn, little to keep.

Reference: Edward Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021, arXiv 2106.09685).
The first layer is where the original picture comes in; of a model that was told none before, its weights for
it begin at zero, so it is trained whole. Of a model that was, products are all that is trained, and they can
be taken along as a LoRA.

Law: before the first step the model's output is that without LoRA, bit for bit; what is exported has the
learnt products added to the weights and is a model like any other.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")


def add_lora(network: Any, rank: int, *, first_layer: bool) -> None:
    """Freeze a network, and let its attention learn products of a rank.

    Args:
        network: A UNet.
        rank: Of the products.
        first_layer: Whether its first layer is trained, too, in full.
    """
    from peft import LoraConfig, inject_adapter_in_model

    network.requires_grad_(False)
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(TARGETS)), network)
    network.conv_in.requires_grad_(first_layer)


def products(network: Any) -> dict[str, Tensor] | None:
    """Return what a network has learnt, by peft's names; None where that is more than products."""
    from peft import get_peft_model_state_dict

    if network.conv_in.weight.requires_grad:
        return None
    return {name: weight.detach().cpu() for name, weight in get_peft_model_state_dict(network).items()}


def merged(network: Any) -> Any:
    """Return a copy in which the learnt products are part of the weights."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    whole = copy.deepcopy(network)
    for name, module in list(whole.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            place, _, leaf = name.rpartition(".")
            setattr(whole.get_submodule(place), leaf, module.get_base_layer())
    if hasattr(whole, "peft_config"):
        del whole.peft_config
    return whole
