"""Lay LoRAs over a model: their products are added to its weights, once, so that edits cost what they did.

Reference: Edward Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021, arXiv 2106.09685):
W + s·(α/r)·B·A.

Which layer each product belongs to is left to diffusers' own loaders; they know the names of diffusers, of
kohya's trainers and of the authors of transformers. Pipelines that have none are lent their network's.

Law: at scale 0 the model is the one without, bit for bit; a LoRA of another family is one sentence; and what
of one fits no layer is told, never passed over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from editors.errors import IncompatibleModel, told_as
from editors.model.backbones.pipeline_model import PipelineModel
from editors.model.diffusion_model import DiffusionModel
from editors.model.loading.lora_files import (
    Weights,
    from_peft,
    has_config,
    named_by_peft,
    num_products,
    plainly_named,
)
from editors.requests.lora import Lora

_OF_TRANSFORMERS: Final = (
    "double_blocks",
    "single_blocks",
    "transformer_blocks.0.img_",
    "joint_blocks",
    "transformer.single_",
)
"""Parts of weights' names by which a LoRA is one of a diffusion transformer."""


def with_loras(model: DiffusionModel, loras: Sequence[tuple[Lora, Weights]]) -> DiffusionModel:
    """Return a model with LoRAs laid over it; its parts are changed, so nobody else may hold them.

    Args:
        model: The model, in the format that its weights were read in.
        loras: Added up; with what `weights_of` has read of each.

    Raises:
        IncompatibleModel: One was made for another model.
    """
    if not loras:
        return model
    pipe = _pipeline(model)
    notes = [
        note
        for lora, weights in loras
        for note in _laid_over(pipe, model, lora, _named_for(model, weights, lora.path))
    ]
    name = " + ".join([model.name, *(lora.label for lora, _ in loras)])
    return replace(model, name=name, notes=(*model.notes, *notes))


def _laid_over(pipe: Any, model: DiffusionModel, lora: Lora, weights: Weights) -> tuple[str, ...]:
    """Add one to the weights of a model; return what people should know of it."""
    wanted = num_products(weights)
    with told_as(
        lambda said: IncompatibleModel(
            f"{lora.path.name}: does not fit {model.name} ({said}); give a LoRA that was made for this "
            "model, or one of its family."
        )
    ):
        pipe.load_lora_weights(weights, adapter_name="lora")
    found = _layers(model)
    try:
        if not found:
            raise IncompatibleModel(
                f"{lora.path.name}: none of its {wanted} layers is one of {model.name}; give a LoRA that was "
                "made for this model, or one of its family."
            )
        if lora.scale != 0:  # 0 times a product is no change: not even of a sign
            pipe.set_adapters(["lora"], [lora.scale])
            pipe.fuse_lora(components=list(model.lora_parts))
    finally:
        pipe.unload_lora_weights()
    left = wanted - len(found)
    return (
        (f"{lora.path.name}: {left} of its {wanted} layers fit nothing in this model.",) if left > 0 else ()
    )


def _named_for(model: DiffusionModel, weights: Weights, path: Path) -> Weights:
    """Return weights by names that the loader of a model's family knows.

    Raises:
        IncompatibleModel: They are of a diffusion transformer and the model has a UNet, or peft's without
            what peft writes beside them.
    """
    network, *_ = model.lora_parts
    if network == "unet" and any(part in key for key in weights for part in _OF_TRANSFORMERS):
        raise IncompatibleModel(
            f"{path.name}: is a LoRA of a diffusion transformer, which {model.name} is not; give one of a "
            "UNet."
        )
    # Some authors of transformers use peft's names, and diffusers' loaders know whose.
    may_be_others = network == "transformer" and _has_loader(model) and not has_config(path)
    if not named_by_peft(weights) or may_be_others:
        return weights
    return from_peft(weights, path, network)


def _layers(model: DiffusionModel) -> list[str]:
    """Return the names of the layers over which something lies."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [
        f"{place}.{name}"
        for place, part in enumerate(model.modules)
        for name, module in part.named_modules()
        if isinstance(module, BaseTunerLayer)
    ]


@dataclass(frozen=True, slots=True)
class _NetworksLoader:
    """What pipelines without a loader of LoRAs lack: their network's own, by the same names."""

    network: Any
    part: str

    def load_lora_weights(self, weights: Weights, *, adapter_name: str) -> None:
        plain = plainly_named(weights, self.part)
        self.network.load_lora_adapter(plain, prefix=None, adapter_name=adapter_name)

    def set_adapters(self, names: list[str], scales: list[float]) -> None:
        self.network.set_adapters(names, scales)

    def fuse_lora(self, *, components: list[str]) -> None:
        self.network.fuse_lora()

    def unload_lora_weights(self) -> None:
        self.network.unload_lora()


def _has_loader(model: DiffusionModel) -> bool:
    return not isinstance(model, PipelineModel) or hasattr(model.pipeline, "load_lora_weights")


def _pipeline(model: DiffusionModel) -> Any:
    """Return a pipeline of diffusers around a model's parts: its loaders are methods of one."""
    import diffusers

    if isinstance(model, PipelineModel):
        network, *_ = model.lora_parts
        return model.pipeline if _has_loader(model) else _NetworksLoader(model.network.module, network)

    parts = {name: getattr(model, name) for name in ("vae", "text_encoder", "tokenizer", "unet", "scheduler")}
    if model.is_xl:
        return diffusers.StableDiffusionXLPipeline(
            **parts, text_encoder_2=model.text_encoder_2, tokenizer_2=model.tokenizer_2
        )
    return diffusers.StableDiffusionPipeline(
        **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
