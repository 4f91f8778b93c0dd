"""`/v1/images/edits`, `/v1/images/generations`, `/v1/models`: OpenAI's endpoints, before the page's editors.

    from openai import OpenAI
    client = OpenAI(base_url="http://127.0.0.1:7860/v1", api_key="none")
    client.images.edit(image=open("photo.jpg", "rb"), prompt="make it night").data[0].b64_json

Reference: OpenAI, "Images" (API reference). Law: a program of this kind waits in the page's line like a
person, is refused for the same reasons in the same words, and gets what the editors make.
"""

import base64
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final, TypeVar

from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from editors import EditorError, EditResult, InstructionEdit, PromptEdit
from editors.pictures.images import read_picture
from editors.requests.picture import Picture
from editors.requests.recipe import save_png
from editors.requests.settings import on_several_noises
from ui.components.history import enlargement
from ui.images_api.errors import FULL, ApiError, of_editor
from ui.images_api.fields import Parameters
from ui.images_api.forms import read_form, read_object, transparent
from ui.images_api.results import Results
from ui.server.edit_thread import EditThread
from ui.server.models import Models
from ui.server.turns import Left, LineFull, Turns

if TYPE_CHECKING:
    from editors.prompt_to_prompt.editor import PromptToPromptEditor

BELOW: Final = "/v1"
RESULTS: Final = f"{BELOW}/images/results"
_EDITING: Final = ("guidance_scale", "image_guidance_scale", "num_inference_steps", "seed", "only")
_DRAWING: Final = ("guidance_scale", "num_inference_steps", "seed")
_SHAPE: Final = 0.02
"""Share by which the shape of a size may differ from a picture's: sizes are whole pixels."""
Answer = TypeVar("Answer")
Finish = Callable[[EditResult], EditResult]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ImagesApi:
    """The endpoints.

    Attributes:
        turns: The page's line.
        edit_thread: Where edits are computed.
        models: Edit pictures.
        drawing: Draws from prompts, by the name of its model; None where the page does not.
        drawing_model: That name.
        results: Pictures that are fetched by their address.
    """

    turns: Turns
    edit_thread: EditThread
    models: Models
    drawing: "Callable[[str], PromptToPromptEditor] | None"
    drawing_model: str
    results: Results

    def routes(self) -> list[Route]:
        """Return where they answer."""
        return [
            Route(f"{BELOW}/images/edits", _told(self.edit), methods=["POST"]),
            Route(f"{BELOW}/images/generations", _told(self.draw), methods=["POST"]),
            Route(f"{RESULTS}/{{name}}", _told(self.result)),
            Route(f"{BELOW}/models", _told(self.list_models)),
            Route(f"{BELOW}/models/{{name:path}}", _told(self.model)),
            Route(
                f"{BELOW}/{{path:path}}", _told(_unknown), methods=["GET", "POST", "PUT", "PATCH", "DELETE"]
            ),
        ]

    async def edit(self, request: Request) -> Response:
        """Edit one picture or several by an instruction."""
        form = await read_form(request)
        asked = Parameters.read(form.words, settings=_EDITING)
        name = self.models.first if asked.model is None else asked.model
        if not self.models.is_ready(name) and (said := await run_in_threadpool(self.models.prepare, name)):
            raise ApiError(said, status=404, param="model", code="model_not_found")
        edits = await run_in_threadpool(_edits_of, form.images, form.mask, asked)
        finish = _sized(asked.size)

        def work(gone: Event) -> list[EditResult]:
            editor = self.models.prepared(name)
            return [finish(self._carried_out(editor, edit, gone)) for edit in edits]

        return await self._answer(request, asked, await self._in_turn(request, work))

    async def draw(self, request: Request) -> Response:
        """Draw pictures from a prompt."""
        asked = Parameters.read(await read_object(request), settings=_DRAWING)
        drawing = self.drawing
        if drawing is None or asked.model not in (None, self.drawing_model):
            raise ApiError(
                f"model: {asked.model!r} draws nothing here; "
                + ("this page only edits." if drawing is None else f"{self.drawing_model} does."),
                status=404,
                param="model",
                code="model_not_found",
            )
        editor = await run_in_threadpool(drawing, self.drawing_model)
        edits = _drawings_of(asked, editor)
        finish = _sized(asked.size)

        def work(gone: Event) -> list[EditResult]:
            return [finish(self._carried_out(editor, edit, gone)) for edit in edits]

        return await self._answer(request, asked, await self._in_turn(request, work))

    async def list_models(self, request: Request) -> Response:
        """List what edits and what draws."""
        return JSONResponse({"object": "list", "data": [_model(name) for name in self._names()]})

    async def model(self, request: Request) -> Response:
        """Tell of one model."""
        name = request.path_params["name"]
        if name not in self._names():
            choice = ", ".join(self._names())
            raise ApiError(
                f"model: {name!r} is none of this page; choose from {choice}.",
                status=404,
                param="model",
                code="model_not_found",
            )
        return JSONResponse(_model(name))

    async def result(self, request: Request) -> Response:
        """Give a result to who knows its name."""
        place = self.results.place(request.path_params["name"])
        if place is None:
            raise ApiError("There is no such picture, or its hour is over; ask for it again.", status=404)
        return FileResponse(place, media_type="image/png")

    def _names(self) -> list[str]:
        names = self.models.names()
        drawn = [self.drawing_model] if self.drawing is not None and self.drawing_model not in names else []
        return [*names, *drawn]

    def _carried_out(self, editor: Any, edit: Any, gone: Event) -> EditResult:
        """Carry out an edit step by step; end it when nobody waits for it any more."""
        steps = editor.stream(edit)
        try:
            while not gone.is_set():
                try:
                    self.edit_thread.run(next, steps)
                except StopIteration as end:
                    result: EditResult = end.value
                    return result
            raise Left
        finally:
            steps.close()

    async def _in_turn(self, request: Request, work: Callable[[Event], Answer]) -> Answer:
        try:
            return await self.turns.take(request, work)
        except LineFull:
            raise FULL from None

    async def _answer(self, request: Request, asked: Parameters, results: Sequence[EditResult]) -> Response:
        """Return the pictures as they were asked for; packing a large one takes seconds, and nobody waits."""

        def packed(result: EditResult) -> dict[str, Any]:
            content = _png(result, asked.size)
            if asked.response_format == "url":
                return {"seed": result.seed, "url": _address(request, self.results.keep(content))}
            return {"seed": result.seed, "b64_json": base64.b64encode(content).decode()}

        data = [await run_in_threadpool(packed, result) for result in results]
        notes = [f"{name}: has no effect here." for name in asked.without_effect]
        notes += dict.fromkeys(note for result in results for note in result.notes)
        body: dict[str, Any] = {"created": int(time.time()), "data": data, "output_format": "png"}
        return JSONResponse({**body, **({"notes": notes} if notes else {})})


def _told(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that tells errors in the form of the API."""

    async def told(request: Request) -> Response:
        try:
            return await answer(request)
        except ApiError as error:
            return error.response()
        except EditorError as error:
            return of_editor(error).response()
        except Left:
            return Response(status_code=499)  # nobody reads it

    return told


async def _unknown(request: Request) -> Response:
    raise ApiError(
        f"There is no {request.method} {request.url.path}; there are /v1/images/edits, "
        "/v1/images/generations and /v1/models.",
        status=404,
    )


def _edits_of(images: Sequence[bytes], mask: bytes | None, asked: Parameters) -> list[InstructionEdit]:
    """Return an edit for each picture and seed; a mask is the first picture's.

    Raises:
        InvalidEdit: A picture cannot be read, or a field is wrong.
        ApiError: The mask, or the size, does not fit.
    """
    first = InstructionEdit(
        original_image=Image.new("RGB", (64, 64)), edit_prompt=asked.prompt, **asked.settings
    )
    noises = on_several_noises(first, asked.n)
    pictures = [_picture("original_image", content) for content in images]
    painted = None if mask is None else transparent(_picture("mask", mask))
    for picture in pictures:
        _require_shape(picture.size, asked.size)
    return [
        replace(one, original_image=picture, mask=painted if place == 0 else None)
        for place, picture in enumerate(pictures)
        for one in noises
    ]


def _drawings_of(asked: Parameters, editor: "PromptToPromptEditor") -> list[PromptEdit]:
    """Return a drawing for each seed: a picture whose edit says the same, at a size that the model can do.

    Raises:
        InvalidEdit: A field is wrong.
    """
    width, height = (None, None) if asked.size is None else editor.model.size_for(asked.size)
    first = PromptEdit(
        original_prompt=asked.prompt,
        edited_prompt=asked.prompt,
        width=width,
        height=height,
        **asked.settings,
    )
    return on_several_noises(first, asked.n)


def _picture(name: str, content: bytes) -> Picture:
    """Decode a picture as everybody's are: from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        path.write_bytes(content)
        return read_picture(name, path)


def _require_shape(had: tuple[int, int], size: tuple[int, int] | None) -> None:
    """Require a size of the shape of a picture: it would be squashed.

    Raises:
        ApiError: It is of another.
    """
    if size is None or abs(size[0] * had[1] / (size[1] * had[0]) - 1) <= _SHAPE:
        return
    raise ApiError(
        f"size: {size[0]}x{size[1]} has another shape than the picture, {had[0]}x{had[1]}; give auto, which "
        "keeps the picture's own.",
        param="size",
    )


def _sized(size: tuple[int, int] | None) -> Finish:
    """Return what brings a result to a size."""

    def sized(result: EditResult) -> EditResult:
        picture = result.edited_image
        if size is None or picture.size == size:
            return result
        return replace(result, edited_image=picture.resize(size, Image.Resampling.LANCZOS))

    return sized


def _png(result: EditResult, size: tuple[int, int] | None) -> bytes:
    """Return a result as PNG with its recipe; what was drawn small, and for no size, comes as the page's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.png"
        save_png(result, path, times=1 if size else enlargement(result))
        return path.read_bytes()


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "wordbrush"}


def _address(request: Request, name: str) -> str:
    """Return the address of a result, as who asks reaches the page."""
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme).split(",")[0].strip()
    root = request.scope.get("root_path", "").rstrip("/")
    return f"{scheme}://{request.headers.get('host')}{root}{RESULTS}/{name}"
