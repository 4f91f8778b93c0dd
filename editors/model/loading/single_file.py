"""Models in a single file, as Stable Diffusion first came: weights under the original's names.

Law: only safetensors files are opened, and what they hold is read off their header before any weight is.
"""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from editors.errors import IncompatibleModel, told_as
from editors.model.loading.kinds import is_xl
from editors.model.loading.layout import PICKLES, parts_of, quiet
from editors.model.parts import Parts

_PIPELINES = {
    ("base", False): "StableDiffusionPipeline",
    ("edit", False): "StableDiffusionInstructPix2PixPipeline",
    ("base", True): "StableDiffusionXLPipeline",
    ("edit", True): "StableDiffusionXLInstructPix2PixPipeline",
}
"""(what it is for, whether it is an XL) -> the pipeline of diffusers that reads it."""
_FIRST_LAYER = "model.diffusion_model.input_blocks.0.0.weight"


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

    def tell(reason: str) -> IncompatibleModel:
        return IncompatibleModel(
            f"{path.name}: cannot be read as a single-file model ({reason}); connect to the network once for "
            f"its configuration, or put it in a folder {beside.name}/ beside the file."
        )

    try:
        with safe_open(path, framework="np") as file:
            keys = set(file.keys())
            in_channels = file.get_slice(_FIRST_LAYER).get_shape()[1] if _FIRST_LAYER in keys else None
            name = _PIPELINES[kind, is_xl(path.name, keys, kind, in_channels)]
        checker = {} if "XL" in name else {"safety_checker": None, "feature_extractor": None}
        with told_as(tell), quiet():
            pipe = getattr(diffusers, name).from_single_file(str(path), **checker, **local)
    except SafetensorError:
        raise IncompatibleModel(f"{path.name}: is damaged or cut short; download it again.") from None
    return parts_of(pipe, path.name)
