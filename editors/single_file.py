"""Models in a single file, as Stable Diffusion first came: weights under the original's names.

Law: only safetensors files are opened, and what they hold is read off their header before any weight is.
"""

from collections.abc import Collection
from pathlib import Path

from safetensors import SafetensorError, safe_open

from .errors import IncompatibleModel
from .loading import LAYOUTS, LOADING_ERRORS, PICKLES, Parts, first_line, parts_of, quiet

_PIPELINES = {
    ("base", False): "StableDiffusionPipeline",
    ("edit", False): "StableDiffusionInstructPix2PixPipeline",
    ("base", True): "StableDiffusionXLPipeline",
    ("edit", True): "StableDiffusionXLInstructPix2PixPipeline",
}
"""(what it is for, whether it is an XL) -> the pipeline of diffusers that reads it."""
_SECOND_ENCODER = "conditioner.embedders.1."
_REFINERS_ENCODER = "conditioner.embedders.0.model."
_TRANSFORMER_BLOCKS = (".joint_blocks.", "double_blocks.", ".transformer_blocks.0.img_mlp")


def read_file(path: Path, kind: str) -> Parts:
    """Read a single file; its configuration lies in a folder of its name beside it, or online.

    Args:
        path: The file.
        kind: "base" or "edit": which pipeline it makes.

    Raises:
        IncompatibleModel: It is no such file, or of a layout that is not supported.
    """
    if path.suffix.lower() != ".safetensors":
        pickled = path.suffix.lower() in PICKLES
        reason = "is pickled, which can run any code" if pickled else "is no model file"
        raise IncompatibleModel(f"{path.name}: {reason}; convert it to safetensors and give that.")
    import diffusers

    beside = path.with_suffix("")
    has_config = (beside / "model_index.json").is_file()
    local = {"config": str(beside), "local_files_only": True} if has_config else {}
    try:
        with safe_open(path, framework="np") as file:
            name = _PIPELINES[kind, _is_xl(path.name, file.keys())]
        checker = {} if "XL" in name else {"safety_checker": None, "feature_extractor": None}
        with quiet():
            pipe = getattr(diffusers, name).from_single_file(str(path), **checker, **local)
    except SafetensorError:
        raise IncompatibleModel(f"{path.name}: is damaged or cut short; download it again.") from None
    except LOADING_ERRORS as error:
        raise IncompatibleModel(
            f"{path.name}: cannot be read as a single-file model ({first_line(error)}); connect to the "
            f"network once for its configuration, or put it in a folder {beside.name}/ beside the file."
        ) from None
    return parts_of(pipe, path.name)


def _is_xl(name: str, keys: Collection[str]) -> bool:
    """Tell an XL by the names of its weights.

    Raises:
        IncompatibleModel: They are those of a layout that is not supported.
    """
    has_second = any(key.startswith(_SECOND_ENCODER) for key in keys)
    if not has_second and any(key.startswith(_REFINERS_ENCODER) for key in keys):
        raise IncompatibleModel(
            f"{name}: is a refiner, which only finishes pictures; give the base model of Stable Diffusion XL."
        )
    if any(block in key for key in keys for block in _TRANSFORMER_BLOCKS):
        raise IncompatibleModel(
            f"{name}: is a diffusion transformer, which has no UNet; give a model in the layout of {LAYOUTS}."
        )
    return has_second
