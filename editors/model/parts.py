"""The parts of a diffusion model, and whether they fit each other."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from editors.errors import IncompatibleModel
from editors.requests.settings import Recommended

PARTS = ("tokenizer", "text_encoder", "vae", "unet", "scheduler")
"""What every model is made of, by their names in diffusers' folders and pipelines."""
XL_PARTS = ("tokenizer_2", "text_encoder_2")
"""What models in the layout of Stable Diffusion XL have besides."""

LAYOUTS = "Stable Diffusion 1.x, 2.x or XL, or of DreamLite"

NETWORKS = ("UNet2DConditionModel", "AutoencoderKL")
"""Classes of diffusers that UNet and autoencoder are in these layouts, but in DreamLite's."""

DREAMLITE_MOBILE = "DreamLiteMobilePipeline"
"""DreamLite whose network was taught to do without guidance."""
DREAMLITE: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "DreamLitePipeline": {"guidance_scale": 3.5, "image_guidance_scale": 1.5, "num_inference_steps": 30},
        DREAMLITE_MOBILE: {"guidance_scale": 1.0, "image_guidance_scale": 1.0, "num_inference_steps": 4},
    }
)
"""Pipeline of diffusers -> what it is used with."""
DREAMLITE_PARTS = ("tokenizer", "processor", "text_encoder", "vae", "unet", "scheduler")
DREAMLITE_NETWORKS = ("DreamLiteUNetModel", "AutoencoderTiny")

_NUM_TIME_IDS = 6
"""Original height and width, top and left of the crop, target height and width."""


class Parts(NamedTuple):
    """The parts of a model, loaded; see `models.DiffusionModel` for what each is."""

    tokenizer: Any
    text_encoder: Any
    vae: Any
    unet: Any
    scheduler: Any
    tokenizer_2: Any = None
    text_encoder_2: Any = None
    force_zeros_for_empty_prompt: bool = False
    is_cosxl_edit: bool = False
    recommends: Recommended = MappingProxyType({})
    instructions: tuple[str, ...] = ()
    taught: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()


def require_latents_that_fit(name: str, unet: Any, latent_channels: int) -> None:
    """Require a UNet of latents of so many channels, alone or beside those of a picture.

    Args:
        name: The model's, for the sentence.
        unet: The UNet's configuration.
        latent_channels: Of the autoencoder.

    Raises:
        IncompatibleModel: It is of others.
    """
    c = latent_channels
    if unet.in_channels not in (c, 2 * c) or unet.out_channels != c:
        raise IncompatibleModel(
            f"{name}: the UNet takes {unet.in_channels} channels and gives {unet.out_channels}, which fits "
            f"no model of {c} latent channels; allowed are {c} or {2 * c} in and {c} out."
        )


def require_text_that_fits(name: str, unet: Any, width: int, second: Any = None) -> None:
    """Require a UNet that reads what the text encoders write.

    Args:
        name: The model's, for the sentence.
        unet: The UNet's configuration.
        width: Of the text encoders' states.
        second: Configuration of the second text encoder, of models in the layout of Stable Diffusion XL.

    Raises:
        IncompatibleModel: It reads something else.
    """
    added = getattr(unet, "addition_embed_type", None)
    if unet.cross_attention_dim != width or added != (None if second is None else "text_time"):
        raise IncompatibleModel(
            f"{name}: the UNet reads text {unet.cross_attention_dim} wide, the text encoder writes {width}; "
            f"give a model in the layout of {LAYOUTS}."
        )
    if second is None:
        return
    added_dim = unet.addition_time_embed_dim * _NUM_TIME_IDS + second.projection_dim
    if unet.projection_class_embeddings_input_dim != added_dim:
        raise IncompatibleModel(
            f"{name}: the UNet is told {unet.projection_class_embeddings_input_dim} numbers of prompt and "
            f"sizes, Stable Diffusion XL's base models {added_dim}; give one of these."
        )
