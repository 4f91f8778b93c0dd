"""`wordbrush edit` and `wordbrush prompt-edit`: one request, one editor, pictures with their recipe inside.

Law: whatever can be refused without a model is refused before one is loaded.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from editors import EditResult, InstructionEdit, LocalBlend, PromptEdit
from editors.files import named_after
from editors.model.schedulers import SCHEDULERS
from editors.requests import rules
from editors.requests.edits import StepWindow, WordWindows
from ui.errors import InvalidOption, UnusablePlace
from ui.options import number, options, words
from ui.progress import watch
from ui.server.outputs import Json, free_name, png_place, report, require_apart

_STANDARD_INPUT = Path("/dev/stdin")
_PLACES = {"edited_image": "--out", "original_image": "the original picture", "attention": "--attention"}

Model = Annotated[str, typer.Option("--model", help="pocket, a folder, a single file, or a Hub id.")]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", help=f"{', '.join(SCHEDULERS)}; if not given, the model's own."),
]
Device = Annotated[
    str | None, typer.Option("--device", help="cpu, cuda, cuda:1 or mps; if not given, the best there is.")
]
Mask = Annotated[
    Path | None, typer.Option("--mask", help="White where the picture may change, black where it must stay.")
]
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


@options(InstructionEdit, leave_out=("original_image", "edit_prompt", "mask"))
def edit(
    photo: Annotated[Path, typer.Argument(help="The picture to edit; - is standard input.", metavar="PHOTO")],
    instruction: Annotated[
        str, typer.Argument(help='What to change: "make it night".', metavar="INSTRUCTION")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="PNG to write; if not given, PHOTO-edited.png in this folder."),
    ] = None,
    model: Model = "pocket",
    mask: Mask = None,
    scheduler: Scheduler = None,
    device: Device = None,
    as_json: Json = False,
    **fields: Any,
) -> None:
    """Change a photo by an instruction."""
    photo = standard_input(photo)
    request = InstructionEdit(original_image=photo, edit_prompt=instruction, mask=mask, **fields)
    _check_scheduler(scheduler)
    place = png_place(out or free_name(named_after(Path(photo.name), "-edited", ".png")))
    _require_kept(photo, place)
    from editors import InstructPix2PixEditor  # torch: only now

    editor = InstructPix2PixEditor.from_pretrained(model, device=device, scheduler=scheduler)
    result = watch(editor.stream(request), label="Editing")
    _save(result, {"edited_image": place}, as_json=as_json)


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
    parsers={"cross_replace_steps": windows, "self_replace_steps": window},
)
def prompt_edit(
    original_prompt: Annotated[str, typer.Argument(metavar="ORIGINAL", help='"a cat in the snow"')],
    edited_prompt: Annotated[str, typer.Argument(metavar="EDITED", help='"a dog in the snow"')],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="PNG to write the edited picture to; the original goes to NAME-original.png."
        ),
    ] = None,
    model: Model = "pocket",
    photo: Described = None,
    weight: Weights = None,
    blend_original: Annotated[
        str, typer.Option(metavar="<word,word>", help="Words of ORIGINAL to change alone.")
    ] = "",
    blend_edited: Annotated[
        str, typer.Option(metavar="<word,word>", help="Words of EDITED to change alone.")
    ] = "",
    mask: Mask = None,
    attention: Attention = None,
    scheduler: Scheduler = None,
    device: Device = None,
    trajectories: Trajectories = None,
    as_json: Json = False,
    **fields: Any,
) -> None:
    """Make a picture from a prompt, or take a photo, and make the same picture from a changed prompt."""
    photo = None if photo is None else standard_input(photo)
    before, after = words(blend_original), words(blend_edited)
    request = PromptEdit(
        original_prompt=original_prompt,
        edited_prompt=edited_prompt,
        original_image=photo,
        word_weights=word_weights(weight or []),
        local_blend=LocalBlend(original=before, edited=after) if before or after else None,
        mask=mask,
        heat_maps=attention is not None,
        **fields,
    )
    _check_scheduler(scheduler)
    places = {"attention": png_place(attention, option="--attention")} if attention else {}
    edited = places["edited_image"] = png_place(out or free_name(Path("prompt-edited.png")))
    if photo is None:
        # Nobody named this one, so it takes no other's place.
        places["original_image"] = free_name(named_after(edited, "-original"))
    else:
        _require_kept(photo, edited)
    require_apart({label: places[name] for name, label in _PLACES.items() if name in places})
    from editors import PromptToPromptEditor  # torch: only now

    # An inversion retraces DDIM's steps, whatever the model's folder samples with.
    chosen = scheduler or ("ddim" if photo else None)
    editor = PromptToPromptEditor.from_pretrained(
        model, device=device, scheduler=chosen, trajectories=trajectories
    )
    result = watch(editor.stream(request), label="Drawing")
    _save(result, places, as_json=as_json)


def standard_input(photo: Path) -> Path:
    """Return a path as it is, and for `-` that of standard input.

    Raises:
        InvalidOption: This system has no such path.
    """
    if str(photo) != "-":
        return photo
    if not _STANDARD_INPUT.exists():
        raise InvalidOption("PHOTO: - is standard input, which has no path on this system; give a file.")
    return _STANDARD_INPUT


def _require_kept(photo: Path, place: Path) -> None:
    """Require that a result does not take the place of the photo that it is made from.

    Raises:
        UnusablePlace: It does.
    """
    if place.exists() and photo.exists() and place.samefile(photo):
        raise UnusablePlace(
            f"--out: {str(place)!r} is the photo itself, which would be lost; give another name."
        )


def _check_scheduler(name: str | None) -> None:
    """Refuse a scheduler that there is none of before a model is loaded."""
    if name is not None:
        rules.choice("scheduler", name, tuple(SCHEDULERS))


def _save(result: EditResult, places: dict[str, Path], *, as_json: bool) -> None:
    """Write the pictures that were asked for and say so."""
    from editors.requests.recipe import save_picture, save_png

    save_png(result, places["edited_image"])
    if "original_image" in places and result.original_image is not None:
        save_picture(result.original_image, places["original_image"])
    if "attention" in places:
        from editors.prompt_to_prompt.heat_maps import sheet

        save_picture(sheet(result.edited_image, result.heat_maps or {}), places["attention"])
    facts = {
        "seed": result.seed,
        "seconds": round(result.seconds, 3),
        "num_unet_rows": result.num_unet_rows,
        "model": result.model,
        "edit": json.loads(result.edit.to_json()),
    }
    summary = f"Seed {result.seed}, {result.seconds:.1f} s."
    if result.reconstruction_psnr is not None:
        facts["reconstruction_psnr"] = round(result.reconstruction_psnr, 2)
        summary += f" ORIGINAL redraws the photo to {result.reconstruction_psnr:.1f} dB."
    facts["notes"] = list(result.notes)
    report(places, facts, as_json=as_json, summary="\n".join((summary, *result.notes)))
