"""A picture carries its recipe: how to make it again, in the PNG itself.

Two chunks: `parameters`, the line that the common web interfaces write and read, and `wordbrush`, everything
as JSON. The upload goes in by a hash of its pixels, never by its path, which would tell of the user's
folders.

Law: what `save_png` writes, `read_recipe` reads; a file is either whole or not there.
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

from PIL import Image, PngImagePlugin

from editors.errors import EditFailed, InvalidEdit
from editors.files import reason_of, replacing, user_path
from editors.requests.edits import SIDES, Edit, InstructionEdit, OutpaintEdit
from editors.requests.request import PICTURES
from editors.requests.results import EditResult
from editors.requests.rules import reference
from editors.requests.spelling import as_json, spelled

CHUNK = "wordbrush"
VERSION = 1
COMPRESSION = 3
"""Of PNG files, 0 to 9: a third of the time of Pillow's own 6, and 14 % larger, at 39 megapixels."""
_WITHOUT = "carries no recipe; give a PNG that was saved here."
_MAX_CHUNK = 200_000
"""Characters: more than any recipe has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """The recipe that a picture carries.

    Attributes:
        parameters: The line of the common web interfaces.
        edit: The request as `to_json` writes it, with its pictures by reference.
        model: Name of the model.
        scheduler: Class name of the scheduler.
        size: (width, height) of the picture.
    """

    parameters: str
    edit: str
    model: str
    scheduler: str
    size: tuple[int, int]

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of the request, without its pictures."""
        record: dict[str, Any] = json.loads(self.edit)
        return {name: value for name, value in record.items() if name not in PICTURES}


def save_png(result: EditResult, path: str | Path, *, times: int = 1) -> None:
    """Write the edited picture with its recipe.

    Args:
        result: The finished edit.
        path: Where to.
        times: Factor by which both sides are enlarged, which the recipe says.

    Raises:
        EditFailed: The file cannot be written; nothing is left of it.
    """
    target = user_path(path)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("parameters", spelled(parameters(result, times=times)))
    info.add_itxt(CHUNK, as_json(record(result, times=times)))
    save_picture(enlarged(result.edited_image, times), target, pnginfo=info)


def enlarged(picture: Image.Image, times: int) -> Image.Image:
    """Enlarge a picture by a whole number, smoothly."""
    if times == 1:
        return picture
    return picture.resize((times * picture.width, times * picture.height), Image.Resampling.BICUBIC)


def save_picture(picture: Image.Image, path: Path, **options: Any) -> None:
    """Write a picture as PNG, whole or not at all.

    Raises:
        EditFailed: The file cannot be written; nothing is left of it.
    """
    try:
        with replacing(path) as file:
            picture.save(file, "PNG", compress_level=COMPRESSION, **options)
    except OSError as error:
        raise EditFailed(
            f"{path.name}: cannot be written ({reason_of(error)}); choose another place."
        ) from None


def read_recipe(path: str | Path) -> Recipe:
    """Read a picture's recipe.

    Raises:
        InvalidEdit: There is no such file, or it carries no recipe of ours.
    """
    path = user_path(path)
    name = path.name
    try:
        with Image.open(path, formats=("PNG",)) as image:
            image.load()  # chunks may stand behind the pixels
            texts, size = dict(getattr(image, "text", {})), image.size
        held: dict[str, Any] = json.loads(texts[CHUNK]) if len(texts[CHUNK]) <= _MAX_CHUNK else {}
        return Recipe(
            parameters=str(texts.get("parameters", "")),
            edit=as_json(_one_of_ours(held["edit"])),
            model=str(held["model"]),
            scheduler=str(held["scheduler"]),
            size=size,
        )
    except FileNotFoundError:
        raise InvalidEdit(name, "there is no such file; check the path.") from None
    except OSError as error:
        if error.errno is not None:  # the system's; what is no picture is one of Pillow's, which has none
            raise InvalidEdit(name, f"cannot be read ({reason_of(error)}); check the path.") from None
        raise InvalidEdit(name, _WITHOUT) from None
    except (SyntaxError, ValueError, KeyError, TypeError, RecursionError):
        raise InvalidEdit(name, _WITHOUT) from None


def parameters(result: EditResult, *, times: int = 1) -> str:
    """Write the line of the common web interfaces: the prompt, then settings; the size is what was drawn."""
    edit = result.edit
    width, height = result.edited_image.size
    settings: dict[str, object] = {
        "Steps": edit.num_inference_steps,
        "Sampler": result.scheduler,
        "CFG scale": edit.guidance_scale,
        "Seed": result.seed,
        "Size": f"{width}x{height}",
        "Model": _model_name(result.model),
    }
    if times > 1:
        settings["Enlarged"] = f"{times} times, bicubic"
    if isinstance(edit, InstructionEdit):
        settings["Image CFG scale"] = edit.image_guidance_scale
        if edit.only:
            settings["Only"] = edit.only
        if edit.forecast not in (None, 1):
            settings["Forecast"] = edit.forecast
        prompt = edit.edit_prompt
    elif isinstance(edit, OutpaintEdit):
        prompt = edit.prompt
        settings["Extended"] = ", ".join(
            f"{side} {pixels}" for side, pixels in zip(SIDES, edit.margins, strict=True) if pixels
        )
    else:
        prompt = edit.edited_prompt
        settings["Original prompt"] = edit.original_prompt
    return f"{prompt}\n" + ", ".join(f"{name}: {_quoted(str(value))}" for name, value in settings.items())


def record(result: EditResult, *, times: int = 1) -> dict[str, Any]:
    """Gather the recipe: the request, and with what it was carried out."""
    edit: dict[str, Any] = json.loads(result.edit.to_json())
    if edit.get("original_image") is not None and result.original_image is not None:
        edit["original_image"] = reference(result.original_image)
    if isinstance(edit.get("mask"), str):
        edit["mask"] = _without_folders(edit["mask"])
    if edit.get("references") is None:
        edit.pop("references", None)
    else:
        edit["references"] = [_without_folders(one) for one in edit["references"]]
    return {
        "version": VERSION,
        "edit": edit,
        "model": _model_name(result.model),
        "scheduler": result.scheduler,
        **({"dtype": result.dtype} if result.dtype else {}),
        "num_unet_rows": result.num_unet_rows,
        "seconds": round(result.seconds, 3),
        **({"enlarged": times} if times > 1 else {}),
    }


def _without_folders(named: str) -> str:
    """Name a picture without the folders of this machine."""
    return named if named.startswith("sha256:") else Path(named).name


def _model_name(model: str) -> str:
    """Name a model without the folders of this machine; a Hub id has one slash and stays whole."""
    is_path = model.startswith(("/", ".", "~")) or model.count("/") > 1 or "\\" in model
    return model.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] if is_path else model


def _one_of_ours(edit: dict[str, Any]) -> dict[str, Any]:
    """Keep the fields that a request has, of a record whose "edit" names one."""
    kinds = {kind.__name__: kind for kind in get_args(Edit)}
    known = {"edit", *(item.name for item in fields(kinds[edit["edit"]]))}
    kept = {name: value for name, value in edit.items() if name in known}
    if "forecast" in known and kept.get("forecast") is None:
        kept["forecast"] = 1  # earlier versions, whose recipes name none, computed every step
    return kept


def _quoted(value: str) -> str:
    """Quote a value that would be taken for several, as the web interfaces do."""
    return as_json(value) if any(mark in value for mark in ',:\n"') else value
