"""The page's edit for programs: one endpoint with the fields of the request, which is checked like a person.

    from gradio_client import Client, handle_file
    edited_image, recipe = Client("http://127.0.0.1:7860").predict(
        original_image=handle_file("photo.jpg"), edit_prompt="make it night", api_name="/edit"
    )

Law: a program waits in the same line, is told the same sentences, and can hand over what it uploaded alone.
"""

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from editors import EditorError, EditResult, InstructionEdit
from editors.checks import shown
from editors.requests.recipe import record, save_png
from ui.components.form import VALID
from ui.server.calls import Offer
from ui.server.edit_thread import DEVICE_QUEUE, EditThread
from ui.server.models import Models
from ui.server.uploads import uploaded

NAME = "edit"
FIELDS = (
    "original_image",
    "edit_prompt",
    "guidance_scale",
    "image_guidance_scale",
    "num_inference_steps",
    "seed",
    "mask",
    "model",
    "only",
    "references",
)
"""Of the endpoint, in order."""
_PICTURES = ("original_image", "mask", "references")
"""The last one is a list of them."""


def problem(fields: Mapping[str, Any]) -> str | None:
    """Say what is wrong with the fields of a request, which have these names; None where nothing is.

    What a file holds, and which models there are, is looked at when the edit has its turn.
    """
    for name in FIELDS[:2]:
        if fields.get(name) is None:
            return f"{name}: is missing; /{NAME} needs it."
    pictures = {name: fields[name] for name in _PICTURES[:2] if fields.get(name) is not None}
    further = fields.get("references")
    if not isinstance(further, list | None):
        return f"references: {shown(further)} is no list; give a list of uploaded pictures, or leave it out."
    pictures |= {f"references[{place}]": payload for place, payload in enumerate(further or ())}
    for name, payload in pictures.items():
        try:
            _file(payload)
        except gr.Error:
            return (
                f"{name}: is no uploaded picture; send the file to /gradio_api/upload first, and give "
                '{"path": what it answers}.'
            )
    if not isinstance(fields.get("model"), str | None):
        return f"model: {shown(fields['model'])} is no name; give one of the page's models, or leave it out."
    words = {name: value for name, value in fields.items() if name not in (*_PICTURES, "model")}
    try:
        InstructionEdit(**{**VALID, **words})
    except EditorError as error:
        return str(error)
    return None


def offer_edit(models: Models, edit_thread: EditThread) -> Offer:
    """Offer the endpoint `/edit` inside the current `gr.Blocks`.

    Args:
        models: What edits.
        edit_thread: Where it is computed.

    Returns:
        What looks at its requests before they wait in line.
    """

    def prepare(fields: Mapping[str, Any]) -> Callable[[], str | None] | None:
        name = fields.get("model")
        if not isinstance(name, str) or name == models.first or models.is_ready(name):
            return None
        return partial(models.prepare, name)

    def edit(
        original_image: gr.FileData,
        edit_prompt: str,
        guidance_scale: float | None = None,
        image_guidance_scale: float | None = None,
        num_inference_steps: int | None = None,
        seed: int | None = None,
        mask: gr.FileData | None = None,
        model: str | None = None,
        only: float | None = None,
        references: list[gr.FileData] | None = None,
    ) -> tuple[gr.FileData, dict[str, Any]]:
        """Edit a picture by an instruction; what is left out is the model's own, and a seed is drawn.

        A model is one of those that the page offers; the page's first where none is named.

        Returns:
            The edited picture, a PNG that carries its recipe, and the recipe.
        """
        try:
            result = edit_thread.run(
                models.prepared(models.first if model is None else model).edit,
                InstructionEdit(
                    original_image=_file(original_image),
                    edit_prompt=edit_prompt,
                    guidance_scale=guidance_scale,
                    image_guidance_scale=image_guidance_scale,
                    num_inference_steps=num_inference_steps,
                    seed=seed,
                    mask=None if mask is None else _file(mask),
                    only=only,
                    references=None if references is None else [_file(one) for one in references],
                ),
            )
        except EditorError as error:
            raise gr.Error(str(error), print_exception=False) from None
        return _handed_over(result), record(result)

    listener = gr.api(edit, api_name=NAME, **DEVICE_QUEUE)
    return Offer(name=NAME, number=listener["id"], fields=FIELDS, check=problem, prepare=prepare)


def _handed_over(result: EditResult) -> gr.FileData:
    """Write an edit where a program can fetch it; gradio deletes it in a day."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"wordbrush-{result.seed}.png"
        save_png(result, path)
        kept = save_file_to_cache(str(path), get_upload_folder())
    return gr.FileData(path=kept, orig_name=path.name, mime_type="image/png")


def _file(payload: Any) -> str:
    """Return the path of an upload.

    Raises:
        gr.Error: It is none.
    """
    path = payload.get("path") if isinstance(payload, Mapping) else None
    return uploaded(path if isinstance(path, str) else None, get_upload_folder())
