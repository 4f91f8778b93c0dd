"""Low-rank training of an edit model: little to learn, little to keep, and the first layer in full.

Reference: Edward Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021, arXiv 2106.09685).
The first layer is where the original picture comes in; its weights for it begin at zero, so it is trained
whole.

Law: before the first step the model's output is that without LoRA, bit for bit; what is exported has the
learnt products added to the weights and is a model like any other.
"""

from __future__ import annotations

import copy
from typing import Any

from trainer.errors import InvalidConfig

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")


def add_lora(network: Any, rank: int) -> None:
    """Freeze a network but for its first layer, and let its attention learn products of that rank.

    Raises:
        InvalidConfig: The library peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise InvalidConfig(
            'lora_rank: it needs the library peft; pip install "wordbrush[train]", or train in full.'
        ) from error
    network.requires_grad_(False)
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(TARGETS)), network)
    network.conv_in.requires_grad_(True)


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
