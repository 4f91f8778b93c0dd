"""`wordbrush edit`: pictures and what should change, one editor, results with their recipe inside.

Law: whatever can be refused without a model is refused before one is loaded.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from editors import InstructionEdit, Lora
from editors.files import named_after, user_path
from ui.batch.sources import find, is_one_file, is_there
from ui.commands.edit_many import edit_folder, folder_place, instructions_of
from ui.commands.editing import (
    BatchSize,
    Device,
    Dtype,
    Loras,
    Mask,
    Memory,
    Model,
    References,
    Scheduler,
    check_choices,
    require_kept,
    save,
    standard_input,
    tell_needs,
)
from ui.options import options
from ui.progress import watch
from ui.server.outputs import Json, free_name, png_place

_Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="PNG to write; if not given, PHOTO-edited.png in this folder. For several results the folder "
        "that they go into: run again, it goes on where it was.",
    ),
]


@options(InstructionEdit, leave_out=("original_image", "edit_prompt", "mask", "references"))
def edit(
    photos: Annotated[
        list[str] | None,
        typer.Argument(
            help="Pictures to edit: files, - for standard input, folders, patterns of names.",
            metavar="PHOTO",
            show_default=False,
        ),
    ] = None,
    words: Annotated[
        str | None,
        typer.Argument(help='What to change: "make it night".', metavar="INSTRUCTION", show_default=False),
    ] = None,
    out: _Out = None,
    instruction: Annotated[
        list[str] | None, typer.Option(metavar="INSTRUCTION", help="A further one; may be given again.")
    ] = None,
    instructions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Further ones, a line each.")
    ] = None,
    model: Model = "pocket",
    lora: Loras = None,
    mask: Mask = None,
    reference: References = None,
    scheduler: Scheduler = None,
    device: Device = None,
    dtype: Dtype = None,
    memory: Memory = "auto",
    batch_size: BatchSize = None,
    as_json: Json = False,
    **fields: Any,
) -> None:
    """Change a photo by an instruction, or many by many."""
    given, words = _told_apart(photos or [], words, has_more=bool(instruction or instructions))
    asked = instructions_of(words, instruction or [], instructions)
    template = InstructionEdit(
        original_image=given[0], edit_prompt=asked[0], mask=mask, references=reference, **fields
    )
    check_choices(scheduler=scheduler, dtype=dtype)
    loras = [Lora.of(one) for one in lora or []]

    def load() -> Any:
        from editors import InstructPix2PixEditor  # torch: only now

        placed: dict[str, Any] = {"device": device, "dtype": dtype, "memory": memory}
        needs = tell_needs(model, **placed)
        return InstructPix2PixEditor.from_pretrained(
            model, scheduler=scheduler, loras=loras, needs=needs, **placed
        )

    if len(given) == len(asked) == 1 and is_one_file(given[0]) and not (out is not None and out.is_dir()):
        _edit_one(template, out, load, as_json=as_json)
        return
    for one in asked[1:]:
        replace(template, edit_prompt=one)
    made_with = {"model": model, "lora": [one.label for one in loras], "scheduler": scheduler, "dtype": dtype}
    sources, place = find(given), folder_place(out)
    edit_folder(sources, asked, place, template, made_with, load, batch_size=batch_size, as_json=as_json)


def _told_apart(photos: list[str], last: str | None, *, has_more: bool) -> tuple[list[str], str | None]:
    """Return the pictures and the instruction of a command line, which may give instructions by options, too.

    Args:
        photos: All arguments but the last.
        last: The last; None where there is none.
        has_more: Whether options give instructions: then the last may be a picture.

    Raises:
        typer.BadParameter: There is no picture, or no instruction.
    """
    if has_more and last is not None and (is_there(last) or _looks_like_a_path(last)):
        return [*photos, last], None
    if not photos:
        missing = "PHOTO" if last is None or has_more else "INSTRUCTION"
        raise typer.BadParameter(f"Missing argument '{missing}'.")
    return photos, last


def _looks_like_a_path(text: str) -> bool:
    """Say whether a text that names nothing there must be a slip in a path: then it is no instruction."""
    return " " not in text.strip() and (Path(text).suffix != "" or "/" in text or "\\" in text)


def _edit_one(template: InstructionEdit, out: Path | None, load: Callable[[], Any], *, as_json: bool) -> None:
    """Edit one picture."""
    photo = standard_input(user_path(str(template.original_image)))
    place = png_place(out or free_name(named_after(Path(photo.name), "-edited", ".png")))
    require_kept(photo, place)
    result = watch(load().stream(replace(template, original_image=photo)), label="Editing")
    save(result, {"edited_image": place}, as_json=as_json)
