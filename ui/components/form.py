"""The form of the Edit tab: its fields, what each may hold, and how values are put into it.

Law: the page knows no rule of its own. What may be asked is decided by `InstructionEdit`, which judges each
field before an edit starts and the whole when it starts; so the page, the command line and Python refuse the
same things in the same words.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr
from PIL import Image

from editors import EditorError, InstructionEdit, InvalidEdit
from editors.pictures.images import read_picture
from ui.components.literal import literal

DEFAULTS = {field.name: field.default for field in fields(InstructionEdit)}
LABELS = {
    "original_image": "Your picture",
    "edit_prompt": "What should change?",
    "guidance_scale": "How strongly to follow the instruction",
    "image_guidance_scale": "How much to keep of the picture",
    "only": "Only where the words act",
    "num_inference_steps": "Steps",
    "seed": "Seed",
    "mask": "Paint where it may change",
    "references": "Further pictures",
}
"""The fields the page asks for, in the order of its inputs, and what they are called there."""
PROMPT_LABELS = {
    "original_prompt": "What the picture shows",
    "edited_prompt": "What its edit shows",
    "original_image": "A photo to start from",
    "guidance_scale": "How strongly to follow the words",
    "only": "Only where the changed words are",
    "num_inference_steps": "Steps",
    "seed": "Seed",
}
"""The fields that the Prompts tab asks for besides its board, in the order of its inputs."""
SLIDERS = {
    "guidance_scale": (0, 20),
    "image_guidance_scale": (0, 5),
    "only": (0, 1),
    "num_inference_steps": (1, 100),
}
"""Field -> what its slider spans; a value from elsewhere that lies beyond makes the slider longer."""
MOST_PICTURES = 256
"""Of so many uploads it is remembered whether they can be read; one is looked into at a time."""
NO_PICTURE = "Choose a picture first: drop one here, or click to upload."
VALID = {"original_image": Image.new("RGB", (64, 64)), "edit_prompt": "make it night"}
"""Stands in for the fields that have no default while another field is checked alone."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Form:
    """The components that ask for the fields of `LABELS`; the mask is a state, strokes or a result's file."""

    original_image: Any
    edit_prompt: Any
    guidance_scale: Any
    image_guidance_scale: Any
    only: Any
    num_inference_steps: Any
    seed: Any
    mask: Any
    references: Any

    @property
    def inputs(self) -> list[Any]:
        """The components in the order of `LABELS`."""
        return [getattr(self, name) for name in LABELS]

    def filled(self, settings: Mapping[str, Any]) -> dict[Any, Any]:
        """Return the updates that put values into the form; fields that are not named stay as they are."""
        return {getattr(self, name): _update(name, settings[name]) for name in LABELS if name in settings}


def _update(name: str, value: Any) -> Any:
    if name == "seed":
        return gr.update(value="" if value is None else str(value))
    if name == "only":  # a request that does not ask for it lets everything change
        return gr.update(value=value or 0)
    if name not in SLIDERS or value is None:
        return gr.update(value=value)
    low, high = SLIDERS[name]
    return gr.update(value=value, minimum=low, maximum=max(high, value))


def named(values: Sequence[Any]) -> dict[str, Any]:
    """Return the form's values by their fields' names; what follows them is no business of the form."""
    return {name: plain(name, value) for name, value in zip(LABELS, values, strict=False)}


def check(*values: Any) -> list[dict[str, Any]]:
    """Judge each input alone, by `InstructionEdit`, and return gradio's verdicts, one per input.

    Args:
        values: Of the fields of `LABELS`, in their order; after them, of the session's states, which pass.
    """
    verdicts = [_verdict(name, value) for name, value in named(values).items()]
    return [*verdicts, *(gr.validate(True, "") for _ in values[len(verdicts) :])]


def picture_problem(path: str) -> str:
    """Return what is wrong with an uploaded picture, as it stands under its field; nothing if it is sound."""
    try:
        read_picture("original_image", path)
    except InvalidEdit as error:
        return _sentence(error)
    return ""


def with_picture(
    check: Callable[..., list[dict[str, Any]]], place: int, problem: Callable[[str], str]
) -> Callable[..., list[dict[str, Any]]]:
    """Return a check that also looks into the picture at a place of the values."""

    def checked(*values: Any) -> list[dict[str, Any]]:
        verdicts = check(*values)
        if values[place] is not None and verdicts[place]["is_valid"] and (says := problem(values[place])):
            verdicts[place] = gr.validate(False, says)
        return verdicts

    return checked


def wire_problem(photo: Any, problem: Callable[[str], str]) -> None:
    """Say at a picture what is wrong with it, as soon as it has come; after what else its upload brings."""

    def check(path: str | None) -> dict[str, Any]:
        says = "" if path is None else problem(path)
        return gr.validate(not says, says)

    photo.upload(
        lambda _: None,
        photo,
        None,
        validator=check,
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )


def _verdict(name: str, value: Any) -> dict[str, Any]:
    if name == "mask":  # it is judged with its picture, when both are read
        return gr.validate(True, "")
    if name == "original_image" and value is None:
        return gr.validate(False, NO_PICTURE)
    return verdict(InstructionEdit, VALID, name, value)


def verdict(
    request: Callable[..., object], valid: Mapping[str, Any], name: str, value: Any
) -> dict[str, Any]:
    """Judge one field of a request alone, and return gradio's verdict.

    Args:
        request: The class of the request.
        valid: Fields without a default, with values that are valid.
        name: The field.
        value: Its value.
    """
    try:
        request(**{**valid, name: value})
    except InvalidEdit as error:
        return gr.validate(False, _sentence(error))
    return gr.validate(True, "")


def _sentence(error: InvalidEdit) -> str:
    """Return what is wrong with a field, as it stands under its label."""
    return error.problem[0].upper() + error.problem[1:]


def refusal(error: EditorError, what: str = "Not edited.") -> str:
    """Return what the status line says of an error, safe as HTML."""
    sentence = str(error)
    label = {**PROMPT_LABELS, **LABELS}.get(error.field) if isinstance(error, InvalidEdit) else None
    if isinstance(error, InvalidEdit) and label:
        sentence = f"{label}: {error.problem}"
    return f"**{what}** {literal(sentence)}"


def plain(name: str, value: Any) -> Any:
    """Return a browser's number as Python means it: JavaScript has no whole numbers, 20 may come as 20.0."""
    if name == "num_inference_steps" and isinstance(value, float) and value.is_integer():
        return int(value)
    if name == "references":  # a gallery tells each picture with its caption
        return [one[0] if isinstance(one, list | tuple) else one for one in value or ()] or None
    if name == "seed" and isinstance(value, str):
        text = value.strip()
        return int(text) if text.isascii() and text.isdigit() else text or None
    return value


def request_of(values: Sequence[Any], *, seed: int | None = None) -> InstructionEdit:
    """Build the request; its picture is decoded here, once for all edits that are made of it.

    Args:
        values: Of the form's inputs.
        seed: Taken where the form names none.

    Raises:
        InvalidEdit: A field is wrong, or the picture cannot be read.
    """
    asked = named(values)
    if asked["seed"] is None:
        asked["seed"] = seed
    InstructionEdit(**asked)  # before the picture is read: refusing is cheap, reading is not
    asked["original_image"] = original = read_picture("original_image", asked["original_image"])
    if isinstance(asked["mask"], Image.Image):  # painted on a small copy
        asked["mask"] = asked["mask"].resize(original.size, Image.Resampling.BILINEAR)
    return InstructionEdit(**asked)
