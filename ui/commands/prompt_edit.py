"""`wordbrush prompt-edit`: a picture from a prompt, or a photo, and the same from a changed prompt.

Law: whatever can be refused without a model is refused before one is loaded.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from editors import LocalBlend, Lora, PromptEdit
from editors.files import named_after
from editors.requests.edits import StepWindow, WordWindows
from ui.commands.edit_many import folder_place, prompt_edit_folder
from ui.commands.editing import (
    BatchSize,
    Device,
    Dtype,
    Loras,
    Mask,
    Memory,
    Model,
    Scheduler,
    check_choices,
    require_kept,
    save,
    standard_input,
    tell_needs,
)
from ui.errors import InvalidOption
from ui.options import number, options, words
from ui.progress import watch
from ui.server.outputs import Json, free_name, png_place, require_apart

_PLACES = {"edited_image": "--out", "original_image": "the original picture", "attention": "--attention"}
_IN_THE_FILE = "in the file"
"""Stands for prompts where `--prompts` has them."""

Original = Annotated[
    str | None, typer.Argument(metavar="ORIGINAL", help='"a cat in the snow"', show_default=False)
]
Edited = Annotated[
    str | None, typer.Argument(metavar="EDITED", help='"a dog in the snow"', show_default=False)
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="PNG to write the edited picture to; the original goes to NAME-original.png. With --prompts "
        "the folder that all go into: run again, it goes on where it was.",
    ),
]
Prompts = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Many: a JSON object a line, with original_prompt, edited_prompt."),
]
BlendOriginal = Annotated[str, typer.Option(metavar="<word,word>", help="Words of ORIGINAL to change alone.")]
BlendEdited = Annotated[str, typer.Option(metavar="<word,word>", help="Words of EDITED to change alone.")]
Described = Annotated[
    Path | None, typer.Option(help="Edit this picture, which ORIGINAL describes; see --inversion.")
]
Weights = Annotated[
    list[str] | None, typer.Option(metavar="WORD=1.5", help="Factor on a word; may be given again.")
]
Attention = Annotated[
    Path | None, typer.Option(help="PNG to write where each word is looked at; it costs time.")
]
Trajectories = Annotated[
    Path | None, typer.Option(help="Folder to keep inverted photos in: the next edit goes faster.")
]


def window(text: str) -> StepWindow:
    """Read a step window: `0.8` of the steps, or `0.2:0.8`."""
    if not isinstance(text, str) or ":" not in text:
        return number(text)
    start, _, end = text.partition(":")
    return float(start), float(end)


def windows(text: str) -> WordWindows:
    """Read a step window, or one per word: `cat=0.4,default=0.8`."""
    if not isinstance(text, str) or "=" not in text:
        return window(text)
    return {word: window(value) for word, value in word_values(text.split(","))}


def word_values(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Split texts of the form WORD=VALUE."""
    parts = [text.rpartition("=") for text in texts]
    for word, _, value in parts:
        if not word:
            raise InvalidOption(f"{value!r} is not of the form WORD=VALUE; write it like snow=1.5.")
    return [(word.strip(), value) for word, _, value in parts]


def word_weights(texts: Iterable[str]) -> dict[str, float]:
    """Read factors on words: `snow=1.5`."""
    try:
        return {word: float(value) for word, value in word_values(texts)}
    except ValueError as error:
        raise InvalidOption(f"--weight: {error}; write it like snow=1.5.") from error


@options(
    PromptEdit,
    leave_out=(
        "original_prompt",
        "edited_prompt",
        "original_image",
        "mask",
        "word_weights",
        "local_blend",
        "heat_maps",
    ),
    parsers={"cross_replace_steps": windows, "self_replace_steps": window, "layers": window},
)
def prompt_edit(
    original_prompt: Original = None,
    edited_prompt: Edited = None,
    out: Out = None,
    prompts: Prompts = None,
    model: Model = "pocket",
    lora: Loras = None,
    photo: Described = None,
    weight: Weights = None,
    blend_original: BlendOriginal = "",
    blend_edited: BlendEdited = "",
    mask: Mask = None,
    attention: Attention = None,
    scheduler: Scheduler = None,
    device: Device = None,
    dtype: Dtype = None,
    memory: Memory = "auto",
    trajectories: Trajectories = None,
    batch_size: BatchSize = None,
    as_json: Json = False,
    **fields: Any,
) -> None:
    """Make a picture from a prompt, or take a photo, and make the same picture from a changed prompt."""
    photo = None if photo is None else standard_input(photo)
    before, after = words(blend_original), words(blend_edited)
    if prompts is None and (original_prompt is None or edited_prompt is None):
        raise typer.BadParameter("Missing argument 'ORIGINAL' or 'EDITED'; or give --prompts.")
    if prompts is not None and (original_prompt is not None or attention is not None):
        raise InvalidOption("--prompts: the prompts stand in the file, and --attention is of one picture.")
    request = PromptEdit(
        original_prompt=_IN_THE_FILE if original_prompt is None else original_prompt,
        edited_prompt=_IN_THE_FILE if edited_prompt is None else edited_prompt,
        original_image=photo,
        word_weights=word_weights(weight or []),
        local_blend=LocalBlend(original=before, edited=after) if before or after else None,
        mask=mask,
        heat_maps=attention is not None,
        **fields,
    )
    check_choices(scheduler=scheduler, dtype=dtype)
    loras = [Lora.of(one) for one in lora or []]

    def load(has_photos: bool) -> Any:
        from editors import PromptToPromptEditor  # torch: only now

        placed: dict[str, Any] = {"device": device, "dtype": dtype, "memory": memory}
        how = {**placed, "scheduler": scheduler, "loras": loras, "trajectories": trajectories}
        needs = tell_needs(model, **placed)
        return PromptToPromptEditor.from_pretrained(model, for_photos=has_photos, needs=needs, **how)

    if prompts is not None:
        labels = [one.label for one in loras]
        made_with = {"model": model, "lora": labels, "scheduler": scheduler, "dtype": dtype}
        prompt_edit_folder(
            *(prompts, folder_place(out), request, made_with, load), batch_size=batch_size, as_json=as_json
        )
    else:
        _draw_one(request, out, attention, load, as_json=as_json)


def _draw_one(
    request: PromptEdit,
    out: Path | None,
    attention: Path | None,
    load: Callable[[bool], Any],
    *,
    as_json: bool,
) -> None:
    """Draw, or take, one picture and its edit."""
    photo = request.original_image
    places = {"attention": png_place(attention, option="--attention")} if attention else {}
    edited = places["edited_image"] = png_place(out or free_name(Path("prompt-edited.png")))
    if photo is None:
        # Nobody named this one, so it takes no other's place.
        places["original_image"] = free_name(named_after(edited, "-original"))
    else:
        require_kept(Path(str(photo)), edited)
    require_apart({label: places[name] for name, label in _PLACES.items() if name in places})
    result = watch(load(photo is not None).stream(request), label="Drawing")
    save(result, places, as_json=as_json)
