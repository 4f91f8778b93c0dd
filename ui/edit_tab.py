"""The tab that edits a photo by an instruction: drop a picture, say what to change, press Enter.

Law: the page knows no rule of its own. What may be asked is decided by `InstructionEdit`, which judges each
field before an edit starts and the whole when it starts; so the page, the command line and Python refuse the
same things in the same words.
"""

import html
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from editors import EditorError, EditResult, InstructionEdit, InvalidEdit
from editors.edits import Editor
from editors.images import read_picture
from editors.recipe import save_png

from .photo import Photo

PREVIEW_SIDE = 512
"""Longest side, in pixels, of what is shown while an edit runs; the result is shown at the photo's size."""
PREVIEW_SECONDS = 0.2
"""Least time between two previews: more often, drawing them would cost more than the edit."""

DEFAULTS = {field.name: field.default for field in fields(InstructionEdit)}
LABELS = {
    "original_image": "Your picture",
    "edit_prompt": "What should change?",
    "guidance_scale": "How strongly to follow the instruction",
    "image_guidance_scale": "How much to keep of the picture",
    "num_inference_steps": "Steps",
    "seed": "Seed",
}
"""The fields the page asks for, in the order of its inputs, and what they are called there."""
NO_PICTURE = "Choose a picture first: drop one here, or click to upload."
VALID = {"original_image": Image.new("RGB", (64, 64)), "edit_prompt": "make it night"}
"""Stands in for the fields that have no default while another field is checked alone."""


def edit_tab(editor: Editor[InstructionEdit]) -> None:
    """Lay out the tab inside the current `gr.Blocks` and wire it to an editor."""
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            photo = Photo(
                label=LABELS["original_image"],
                type="filepath",
                image_mode=None,
                sources=["upload", "clipboard"],
                height=320,
            )
            instruction = gr.Textbox(
                label=LABELS["edit_prompt"], placeholder="make it night", lines=1, max_lines=1, autofocus=True
            )
            with gr.Row():
                go = gr.Button("Edit", variant="primary")
                stop = gr.Button("Stop", variant="stop", interactive=False)
            settings = _settings(editor.recommended)
        with gr.Column(min_width=300):
            compare = gr.ImageSlider(
                label="Before and after",
                format="png",
                interactive=False,
                buttons=["fullscreen"],
                max_height=560,
            )
            status = gr.Markdown("Drop a picture, say what should change, press Enter.", elem_id="status")
            download = gr.DownloadButton("Download PNG", interactive=False)
    outputs = [compare, status, download, stop]

    def run(*values: Any) -> Iterator[dict[Any, Any]]:
        try:
            yield from _show(editor, *_request(values), outputs)
        except EditorError as error:
            yield {status: _not_edited(error), stop: gr.Button(interactive=False)}

    running = gr.on(
        [go.click, instruction.submit],
        run,
        inputs=[photo, instruction, *settings],
        outputs=outputs,
        validator=check,
        api_name="edit",
        show_progress="hidden",
        trigger_mode="once",
        concurrency_id="device",
        concurrency_limit=1,
    )
    stop.click(
        lambda: {status: "Stopped.", stop: gr.Button(interactive=False)},
        outputs=[status, stop],
        cancels=[running],
        queue=False,
        api_visibility="private",
    )


def _settings(recommended: Mapping[str, float]) -> list[Any]:
    """Lay out the settings nobody needs for a first edit, in the order of `LABELS`."""
    with gr.Accordion("Fine-tune", open=False):
        return [
            gr.Slider(
                0,
                20,
                value=recommended["guidance_scale"],
                step=0.1,
                label=LABELS["guidance_scale"],
                info="Raise it if too little changes. (guidance_scale)",
            ),
            gr.Slider(
                0,
                5,
                value=recommended["image_guidance_scale"],
                step=0.05,
                label=LABELS["image_guidance_scale"],
                info="Raise it if too much changes. (image_guidance_scale)",
            ),
            gr.Slider(
                1,
                100,
                value=DEFAULTS["num_inference_steps"],
                step=1,
                label=LABELS["num_inference_steps"],
                info="More takes longer; beyond 50 it seldom helps. (num_inference_steps)",
            ),
            gr.Number(
                value=None,
                label=LABELS["seed"],
                placeholder="drawn at random",
                info="The same seed and settings give the same picture.",
            ),
        ]


def check(*values: Any) -> list[dict[str, Any]]:
    """Judge each input alone, by `InstructionEdit`, and return gradio's verdicts in the order of `LABELS`."""
    return [_verdict(name, value) for name, value in zip(LABELS, values, strict=True)]


def _verdict(name: str, value: Any) -> dict[str, Any]:
    try:
        InstructionEdit(**{**VALID, name: _plain(name, value)})
    except InvalidEdit as error:
        no_picture = name == "original_image" and value is None
        sentence = NO_PICTURE if no_picture else _parts(error)[1]  # it stands under the field's label
        return gr.validate(False, html.escape(sentence[0].upper() + sentence[1:]))
    return gr.validate(True, "")


def _parts(error: EditorError) -> tuple[str, str]:
    """Split an error's sentence into the page's label of the field it names, if any, and the rest."""
    field, colon, rest = str(error).partition(": ")
    return (LABELS[field], rest) if colon and field in LABELS else ("", str(error))


def _not_edited(error: EditorError) -> str:
    """Return what the status line says of an error, safe as HTML."""
    label, sentence = _parts(error)
    return f"**Not edited.** {html.escape(f'{label}: {sentence}' if label else sentence)}"


def _plain(name: str, value: Any) -> Any:
    """Return a browser's number as Python means it: JavaScript has no whole numbers, 20 may come as 20.0."""
    if name in ("num_inference_steps", "seed") and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _request(values: tuple[Any, ...]) -> tuple[InstructionEdit, Image.Image]:
    """Build the request from the inputs' values; return it with its picture, decoded and upright."""
    asked = {name: _plain(name, value) for name, value in zip(LABELS, values, strict=True)}
    InstructionEdit(**asked)  # before the picture is read: refusing is cheap, reading is not
    picture = read_picture("original_image", asked["original_image"]).with_alpha()
    return InstructionEdit(**{**asked, "original_image": picture}), picture


def _show(
    editor: Editor[InstructionEdit],
    request: InstructionEdit,
    original: Image.Image,
    outputs: Sequence[Any],
) -> Iterator[dict[Any, Any]]:
    """Carry out an edit and yield what each component shows; closing the generator cancels within a step."""
    compare, status, download, stop = outputs
    yield {
        status: "Starting ...",
        download: gr.DownloadButton(interactive=False),
        stop: gr.Button(interactive=True),
    }
    before = original.copy()
    before.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    stream = editor.stream(request)
    shown_at = 0.0
    try:
        while True:
            try:
                step = next(stream)
            except StopIteration as end:
                result: EditResult = end.value
                break
            update: dict[Any, Any] = {status: f"Step {step.index + 1} of {step.num_steps}"}
            if time.monotonic() - shown_at >= PREVIEW_SECONDS:
                update[compare] = (before, step.preview().resize(before.size, Image.Resampling.BICUBIC))
                shown_at = time.monotonic()
            yield update
    finally:
        stream.close()
    with tempfile.TemporaryDirectory(prefix="wordbrush-") as folder:  # gradio copies what it serves
        old, new = Path(folder, "original.png"), Path(folder, f"wordbrush-{result.seed}.png")
        original.save(old, compress_level=1)
        save_png(result, new)
        yield {
            compare: (old, new),
            status: f"Done in {result.seconds:.1f} s. Seed {result.seed}.",
            download: gr.DownloadButton(value=new, interactive=True),
            stop: gr.Button(interactive=False),
        }
