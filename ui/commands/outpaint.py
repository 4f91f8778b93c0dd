"""`wordbrush outpaint`: a picture, and what may lie around it.

Law: whatever can be refused without a model is refused before one is loaded.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from editors import OutpaintEdit
from editors.files import named_after
from editors.requests.edits import SIDES
from editors.requests.picture import Picture
from ui.commands.editing import (
    Device,
    Dtype,
    Loras,
    Memory,
    Model,
    check_choices,
    require_kept,
    save,
    standard_input,
    tell_needs,
)
from ui.errors import InvalidOption
from ui.options import number, options
from ui.progress import watch
from ui.server.outputs import Json, free_name, png_place


def shape_of(text: str) -> float:
    """Read a shape: `16:9`, or width by height as a number.

    Raises:
        InvalidOption: It is none.
    """
    wide, _, high = text.partition(":")
    try:
        shape = number(wide) / (number(high) if high else 1)
    except (typer.BadParameter, ZeroDivisionError):
        shape = 0.0
    if not 0 < shape < float("inf"):
        raise InvalidOption(f"--shape: {text!r} is no shape; write width and height like 16:9.")
    return shape


@options(OutpaintEdit, leave_out=("original_image", "prompt"))
def outpaint(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The picture; - is standard input.")],
    caption: Annotated[
        str,
        typer.Argument(metavar="CAPTION", help="What can be seen on all of it.", show_default=False),
    ] = "",
    shape: Annotated[
        str | None,
        typer.Option(metavar="16:9", help="Add what it lacks to this shape, on two sides alike."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="PNG to write; if not given, PHOTO-extended.png in this folder."),
    ] = None,
    model: Model = "pocket",
    lora: Loras = None,
    device: Device = None,
    dtype: Dtype = None,
    memory: Memory = "auto",
    as_json: Json = False,
    **fields: Any,
) -> None:
    """Extend a picture: draw what may lie around it. The picture itself stays as it is."""
    source, picture = standard_input(photo), None
    if shape is not None:
        picture, margins = _to_shape(source, shape, [fields[side] for side in SIDES])
        fields |= margins
    request = OutpaintEdit(original_image=source, prompt=caption, **fields)
    check_choices(dtype=dtype)
    place = png_place(out or free_name(named_after(Path(source.name), "-extended", ".png")))
    require_kept(source, place)
    from editors import Lora, RePaintEditor  # torch: only now

    loras = [Lora.of(one) for one in lora or []]
    placed: dict[str, Any] = {"device": device, "dtype": dtype, "memory": memory}
    needs = tell_needs(model, **placed)
    editor = RePaintEditor.from_pretrained(model, loras=loras, needs=needs, **placed)
    # What was read for its shape is not read again: standard input cannot be.
    asked = request if picture is None else replace(request, original_image=picture)
    result = watch(editor.stream(asked), label="Extending")
    told = replace(result, edit=replace(result.edit, original_image=source))
    save(told, {"edited_image": place}, as_json=as_json)


def _to_shape(photo: Path, shape: str, given: list[Any]) -> tuple[Picture, dict[str, int]]:
    """Return a photo, and the margins that it lacks to a shape.

    Raises:
        InvalidOption: Margins are given besides, or the photo lacks nothing.
        InvalidEdit: The photo cannot be read.
    """
    wanted = shape_of(shape)
    if any(given):
        raise InvalidOption("--shape: says how much is added; leave --left, --top, --right, --bottom out.")
    from editors.pictures.framing import widened
    from editors.pictures.images import read_picture

    picture = read_picture("original_image", photo)
    margins = widened(picture.size, wanted)
    if not any(margins):
        width, height = picture.size
        raise InvalidOption(f"--shape: the picture has that shape already, {width}×{height}.")
    return picture, dict(zip(SIDES, margins, strict=True))
