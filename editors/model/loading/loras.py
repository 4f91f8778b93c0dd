"""Lay LoRAs over a model: their products are added to its weights, once, so that edits cost what they did.

Reference: Edward Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021, arXiv 2106.09685):
W + s·(α/r)·B·A.

What is read, and which layer each product belongs to, is left to diffusers' own loaders; they know the names
of diffusers, of kohya's trainers and of the authors of transformers. peft's own folders are brought to
diffusers' names here.

Law: at scale 0 the model is the one without, bit for bit; a LoRA of another family is one sentence; and what
of one fits no layer is told, never passed over.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any, Final

from editors.errors import IncompatibleModel, told_as
from editors.files import reason_of
from editors.model.backbones.pipeline_model import PipelineModel
from editors.model.diffusion_model import DiffusionModel
from editors.requests.lora import Lora

_WEIGHTS: Final = "adapter_model.safetensors"
_CONFIG: Final = "adapter_config.json"
_PEFT: Final = "base_model.model."
_DOWN: Final = ("lora_A.", "lora_down.", "lora.down.", "_lora.down.", "lora_linear_layer.down.")
"""How the first of the two factors is called: one a layer."""
_OTHERS: Final = (
    (("hada_w1", "hada_w2"), "is a LoHa"),
    (("lokr_w1", "lokr_w2"), "is a LoKr"),
    (("oft_blocks", "oft_diag", "oft_R", "boft_"), "is an OFT"),
)
"""Parts of weights' names -> what a file with them is."""
_OF_TRANSFORMERS: Final = (
    "double_blocks",
    "single_blocks",
    "transformer_blocks.0.img_",
    "joint_blocks",
    "transformer.single_",
)
"""Parts of weights' names by which a LoRA is one of a diffusion transformer."""


Weights = dict[str, Any]
"""Of a LoRA, by names that diffusers' loaders know."""


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
    if not model.lora_parts:
        raise IncompatibleModel(
            f"{model.name}: no LoRA can be laid over a model of its family; leave it out."
        )
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
    wanted = sum(any(part in key for part in _DOWN) for key in weights)
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
    is_pefts = any(key.startswith(_PEFT) for key in weights)
    if not is_pefts or (network != "unet" and not _config_of(path).is_file()):
        return weights  # some authors of transformers use peft's names, and loaders know whose
    return _from_peft(weights, path, network)


def _layers(model: DiffusionModel) -> list[str]:
    """Return the names of the layers over which something lies."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [
        f"{place}.{name}"
        for place, part in enumerate(model.modules)
        for name, module in part.named_modules()
        if isinstance(module, BaseTunerLayer)
    ]


def _pipeline(model: DiffusionModel) -> Any:
    """Return a pipeline of diffusers around a model's parts: its loaders are methods of one."""
    import diffusers

    if isinstance(model, PipelineModel):
        return model.pipeline

    parts = {name: getattr(model, name) for name in ("vae", "text_encoder", "tokenizer", "unet", "scheduler")}
    if model.is_xl:
        return diffusers.StableDiffusionXLPipeline(
            **parts, text_encoder_2=model.text_encoder_2, tokenizer_2=model.tokenizer_2
        )
    return diffusers.StableDiffusionPipeline(
        **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )


def weights_of(path: Path) -> Weights:
    """Read a LoRA's weights.

    Args:
        path: Its file, or peft's folder.

    Raises:
        IncompatibleModel: There is none, or it is something else.
    """
    from safetensors.torch import load_file

    file = path / _WEIGHTS if path.is_dir() else path
    if not file.is_file():
        raise IncompatibleModel(f"lora: there is no LoRA {str(file)!r}; give its .safetensors file.")
    if file.suffix.lower() != ".safetensors":
        raise IncompatibleModel(
            f"lora: {file.name!r} is no .safetensors file, and others can run code; convert it."
        )
    with told_as(
        lambda said: IncompatibleModel(f"lora: {file.name!r} cannot be read ({said}); download it again.")
    ):
        weights = dict(load_file(file))
    for parts, what in _OTHERS:
        if any(part in key for key in weights for part in parts):
            raise IncompatibleModel(f"{file.name}: {what}, which is not supported; give a LoRA.")
    if not any(part in key for key in weights for part in _DOWN):
        raise IncompatibleModel(f"{file.name}: is no LoRA: it holds no low-rank weights; give one.")
    return weights


def _config_of(path: Path) -> Path:
    """Return where peft writes what it knows of weights, given their file or its folder."""
    return (path if path.is_dir() else path.parent) / _CONFIG


def _from_peft(weights: Weights, path: Path, network: str) -> Weights:
    """Return peft's weights of a network under diffusers' names; their factor α/r is multiplied in.

    Raises:
        IncompatibleModel: What stands beside them cannot be read.
    """
    try:
        config = json.loads(_config_of(path).read_text(encoding="utf-8"))
        rank, alpha = float(config["r"]), float(config["lora_alpha"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IncompatibleModel(
            f"{path.name}: its {_CONFIG} cannot be read ({reason_of(error)}); peft writes it beside it."
        ) from None
    if config.get("rank_pattern") or config.get("alpha_pattern"):
        raise IncompatibleModel(
            f"{path.name}: its ranks differ from layer to layer; save it with `pipe.save_lora_weights`."
        )
    factor = alpha / (sqrt(rank) if config.get("use_rslora") else rank)
    return {
        f"{network}.{name.removeprefix(_PEFT)}": weight * factor if ".lora_B." in name else weight
        for name, weight in weights.items()
    }
