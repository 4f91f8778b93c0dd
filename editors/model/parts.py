"""The parts of a diffusion model, and whether they fit each other."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from editors.errors import IncompatibleModel
from editors.requests.settings import Kind, Recommended

PARTS = ("tokenizer", "text_encoder", "vae", "unet", "scheduler")
"""What every model is made of, by their names in diffusers' folders and pipelines."""
XL_PARTS = ("tokenizer_2", "text_encoder_2")
"""What models in the layout of Stable Diffusion XL have besides."""
NETWORKS = ("unet", "transformer")
"""What parts are called that draw."""

LAYOUTS = (
    "Stable Diffusion 1.x, 2.x, XL or 3, FLUX.1, DreamLite, FLUX.2 Klein, FLUX.1 Kontext, Qwen-Image-Edit "
    "or LongCat-Image-Edit"
)


WITHOUT_GUIDANCE: Final[Mapping[str, Any]] = MappingProxyType(
    {"guidance_scale": 1.0, "image_guidance_scale": 1.0, "num_inference_steps": 4}
)
"""Settings of editors that were taught to do without guidance, in a few steps."""


class Family(NamedTuple):
    """What a folder of models of one build holds.

    Attributes:
        parts: By their names.
        networks: Of these the ones whose class is the build, and the class, of diffusers.
        settings: Of an edit, as its pipeline takes them where nobody says.
        max_references: Pictures that it takes besides the one that is edited.
        kind: Whether it edits or draws.
        dispensable: Of the parts those that a folder may do without.
    """

    parts: tuple[str, ...]
    networks: Mapping[str, str]
    settings: Mapping[str, Any] = WITHOUT_GUIDANCE
    max_references: int = 0
    kind: Kind = "edit"
    dispensable: tuple[str, ...] = ()


def _settings(guidance_scale: float, image_guidance_scale: float, num_inference_steps: int) -> dict[str, Any]:
    return {
        "guidance_scale": guidance_scale,
        "image_guidance_scale": image_guidance_scale,
        "num_inference_steps": num_inference_steps,
    }


def _drawing(guidance_scale: float, num_inference_steps: int) -> dict[str, Any]:
    return {
        "guidance_scale": guidance_scale,
        "num_inference_steps": num_inference_steps,
        # Shorter than UNets': with longer ones a small transformer held what should change, too.
        "cross_replace_steps": 0.4,
        "self_replace_steps": 0.4,
    }


STABLE_DIFFUSION = Family(PARTS, {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"})
_DREAMLITE = Family(
    ("tokenizer", "processor", "text_encoder", "vae", "unet", "scheduler"),
    {"unet": "DreamLiteUNetModel", "vae": "AutoencoderTiny"},
)
_KLEIN = Family(
    ("tokenizer", "text_encoder", "vae", "transformer", "scheduler"),
    {"transformer": "Flux2Transformer2DModel", "vae": "AutoencoderKLFlux2"},
    max_references=3,
)
_KONTEXT = Family(
    ("tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2", "vae", "transformer", "scheduler"),
    {"transformer": "FluxTransformer2DModel", "vae": "AutoencoderKL"},
    _settings(1.0, 1.0, 28),
)
_FLUX = Family(_KONTEXT.parts, _KONTEXT.networks, _drawing(1.0, 28), kind="base")
_LONGCAT = Family(
    ("tokenizer", "text_processor", "text_encoder", "vae", "transformer", "scheduler"),
    {"transformer": "LongCatImageTransformer2DModel", "vae": "AutoencoderKL"},
    _settings(4.5, 1.0, 50),
)
_QWEN = Family(
    ("tokenizer", "processor", "text_encoder", "vae", "transformer", "scheduler"),
    {"transformer": "QwenImageTransformer2DModel", "vae": "AutoencoderKLQwenImage"},
    _settings(4.0, 1.0, 50),
    max_references=2,
)
_STABLE_DIFFUSION_3 = Family(
    (
        *("tokenizer", "tokenizer_2", "tokenizer_3", "text_encoder", "text_encoder_2", "text_encoder_3"),
        *("vae", "transformer", "scheduler"),
    ),
    {"transformer": "SD3Transformer2DModel", "vae": "AutoencoderKL"},
    _drawing(7.0, 28),
    kind="base",
    dispensable=("tokenizer_3", "text_encoder_3"),
)
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "DreamLitePipeline": _DREAMLITE._replace(settings=_settings(3.5, 1.5, 30)),
        "DreamLiteMobilePipeline": _DREAMLITE,
        "Flux2KleinPipeline": _KLEIN._replace(settings=_settings(4.0, 1.0, 50)),
        "Flux2KleinKVPipeline": _KLEIN,
        "FluxKontextPipeline": _KONTEXT,
        "FluxPipeline": _FLUX,
        "LongCatImageEditPipeline": _LONGCAT,
        "QwenImageEditPipeline": _QWEN._replace(max_references=0),
        "QwenImageEditPlusPipeline": _QWEN,
        "StableDiffusion3Pipeline": _STABLE_DIFFUSION_3,
    }
)
"""Pipeline of diffusers -> its family: models that stand behind the same door as Stable Diffusion's."""


def settings_of(kind: str, *, is_distilled: bool) -> Mapping[str, Any]:
    """Return the settings that suit a model of one of `FAMILIES`.

    Args:
        kind: Its pipeline's class.
        is_distilled: What its configuration says: it was taught to do without guidance.
    """
    return WITHOUT_GUIDANCE if is_distilled else FAMILIES[kind].settings


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
