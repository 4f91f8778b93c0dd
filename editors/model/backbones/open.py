"""Which backbone a pipeline of diffusers is."""

from collections.abc import Mapping
from typing import Any, Final

from editors.model.backbones.dreamlite import DreamLite
from editors.model.backbones.flux import Flux
from editors.model.backbones.flux2_klein import Flux2Klein
from editors.model.backbones.flux_kontext import FluxKontext
from editors.model.backbones.longcat_image_edit import LongCatImageEdit
from editors.model.backbones.pipeline_model import PipelineModel
from editors.model.backbones.qwen_image_edit import QwenImageEdit, QwenImageEditPlus
from editors.model.backbones.stable_diffusion_3 import StableDiffusion3
from editors.model.loading.layout import RECOMMENDED_KEY, recommended_of
from editors.model.parts import FAMILIES

BACKBONES: Final[Mapping[str, type[PipelineModel]]] = {
    "DreamLitePipeline": DreamLite,
    "DreamLiteMobilePipeline": DreamLite,
    "Flux2KleinPipeline": Flux2Klein,
    "Flux2KleinKVPipeline": Flux2Klein,
    "FluxKontextPipeline": FluxKontext,
    "FluxPipeline": Flux,
    "LongCatImageEditPipeline": LongCatImageEdit,
    "QwenImageEditPipeline": QwenImageEdit,
    "QwenImageEditPlusPipeline": QwenImageEditPlus,
    "StableDiffusion3Pipeline": StableDiffusion3,
}
"""Of each of `parts.FAMILIES`."""


def from_pipeline(pipe: Any, *, name: str) -> PipelineModel | None:
    """Return the model that a pipeline is, or is derived from; None where it is of none of these families."""
    found = next((kind.__name__ for kind in type(pipe).__mro__ if kind.__name__ in BACKBONES), None)
    return None if found is None else BACKBONES[found].of(pipe, kind=found, name=name)


def from_parts(facts: Mapping[str, Any], parts: Mapping[str, Any], *, name: str) -> PipelineModel:
    """Put a model together from loaded parts.

    Args:
        facts: Of its `model_index.json`, whose class is one of `BACKBONES`.
        parts: By their names.
        name: For people.
    """
    import diffusers

    kind = str(facts["_class_name"])
    told: dict[str, Any] = {"is_distilled": facts["is_distilled"] is True} if "is_distilled" in facts else {}
    told |= dict.fromkeys(FAMILIES[kind].dispensable)
    recommends = recommended_of(facts, RECOMMENDED_KEY, name)
    return BACKBONES[kind].of(
        getattr(diffusers, kind)(**{**told, **parts}), kind=kind, name=name, recommends=recommends
    )
