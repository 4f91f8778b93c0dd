"""The page's edit for assistants: two tools over the Model Context Protocol, on pictures of one folder.

    claude mcp add --transport http wordbrush http://127.0.0.1:7860/mcp

Reference: Model Context Protocol, streamable HTTP transport. Law: an assistant stands in the page's line as
any program does; it reads pictures below one folder that the page's owner has named, and what it makes is
written beside them, over nothing.
"""

import asyncio
import io
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp.server.mcpserver import Image as Shown
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from PIL import Image
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from editors.files import named_after, reason_of, replacing, user_path
from editors.pictures.files import SUFFIXES
from editors.requests.spelling import spelled
from ui.server.outputs import free_name

PATH = "/mcp"
"""Where it answers, on the page's own address."""
MOST_LISTED = 200
SEEN = 512
"""Pixels of the longer side of what an assistant is shown of a result."""


class Endpoint:
    """Answers MCP requests as an ASGI application; the page's server gives it no start of its own."""

    def __init__(self, server: MCPServer[Any]) -> None:
        """Take a server whose tools are ready."""
        server.streamable_http_app(streamable_http_path=PATH, stateless_http=True)  # makes the manager
        self._manager = server.session_manager
        self._ready = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        await self._ready.wait()
        await self._manager.handle_request(scope, receive, send)

    async def _run(self) -> None:
        async with self._manager.run():
            self._ready.set()
            await asyncio.Event().wait()  # until the page's own loop ends


class _Server(MCPServer[Any]):
    """Tells an assistant which argument of a call is wrong, and which there are."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        """Call a tool.

        Raises:
            ToolError: There is no such tool, or an argument is unknown, missing or wrong.
        """
        tools = {tool.name: tool.input_schema for tool in await self.list_tools()}
        if name not in tools:
            raise ToolError(f"There is no tool {name!r}; there are {', '.join(tools)}.")
        known, needed = tools[name].get("properties", {}), tools[name].get("required", ())
        fields = f"the fields of {name} are {', '.join(known) or 'none'}"
        for field in arguments:
            if field not in known:
                raise ToolError(f"{field}: is none; {fields}.")
        for field in needed:
            if arguments.get(field) is None:
                raise ToolError(f"{field}: is missing; {fields}.")
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            wrong = error.__cause__.errors()[0]
            raise ToolError(f"{wrong['loc'][0]}: {wrong['msg']}; {fields}.") from None


class McpTools:
    """Tools for an assistant."""

    def __init__(self, folder: Path, address: Callable[[], str]) -> None:
        """Offer the pictures below a folder.

        Args:
            folder: The folder.
            address: Returns the page's own, once it is served.
        """
        self._folder, self._address = user_path(folder).resolve(), address
        self._writing = Lock()

    def server(self) -> MCPServer[Any]:
        """Return the server that offers them."""
        server: MCPServer[Any] = _Server(
            "wordbrush", instructions="Edits pictures by saying what to change.", log_level="WARNING"
        )
        server.tool()(self.list_pictures)
        server.tool(structured_output=False)(self.edit_picture)
        return server

    def list_pictures(self) -> list[str]:
        """Return the pictures that can be edited, the newest first."""
        found = []
        for path in self._folder.rglob("*"):
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and self._picture(str(path)):
                with suppress(FileNotFoundError):  # somebody has just moved or deleted it
                    found.append((path.stat().st_mtime, path))
        found.sort(reverse=True)
        return [self._name(path) for _, path in found[:MOST_LISTED]]

    def edit_picture(
        self,
        picture: str,
        instruction: str,
        seed: int | None = None,
        guidance_scale: float | None = None,
        image_guidance_scale: float | None = None,
        num_inference_steps: int | None = None,
        model: str | None = None,
        only: float | None = None,
        references: list[str] | None = None,
    ) -> list[Any]:
        """Edit a picture by an instruction such as "make it night"; write the result beside it.

        Args:
            picture: Its name, as list_pictures gives it, or its path.
            instruction: What should change, in a few words.
            seed: Draws the noise; another one gives another result. Drawn at random if left out.
            guidance_scale: How strongly to follow the instruction: raise it if too little changes.
            image_guidance_scale: How much to keep of the picture: raise it if too much changes.
            num_inference_steps: More takes longer. These three are the model's own if left out.
            model: One of the page's other models.
            only: From 0 to 1, keeps more and more of what the words do not act on as it was, byte for byte.
            references: Names of further pictures that the instruction is about, "picture 2" and so on, for
                models that take some.

        Returns:
            The name of the new picture and how it was made, and the picture itself, small.
        """
        source = self._required("picture", picture)
        further = [self._required("references", name) for name in references or ()]
        with tempfile.TemporaryDirectory() as folder:
            copy, *copies = (
                _copied(place, Path(folder) / f"{number}{place.suffix}")
                for number, place in enumerate((source, *further), start=1)
            )
            page = Client(
                self._address(), download_files=folder, verbose=False, httpx_kwargs={"trust_env": False}
            )
            try:
                edited, recipe = page.predict(
                    original_image=handle_file(copy),
                    edit_prompt=instruction,
                    guidance_scale=guidance_scale,
                    image_guidance_scale=image_guidance_scale,
                    num_inference_steps=num_inference_steps,
                    seed=seed,
                    model=model,
                    only=only,
                    references=[handle_file(one) for one in copies] or None,
                    api_name="/edit",
                )
            except AppError as error:
                raise ToolError(str(error)) from None
            finally:
                page.close()
            content = Path(edited).read_bytes()
        place = self._written(source, content)
        return [{"picture": self._name(place), "recipe": recipe}, Shown(data=_small(content), format="png")]

    def _written(self, source: Path, content: bytes) -> Path:
        """Write an edit beside its picture, under a free name, and return its path."""
        with self._writing:  # two edits of one picture take two names
            place = free_name(named_after(source, "-edited", ".png"))
            try:
                with replacing(place) as file:
                    file.write(content)
            except OSError as error:
                raise ToolError(f"{place.name}: cannot be written ({reason_of(error)}).") from None
        return place

    def _required(self, field: str, name: str) -> Path:
        """Return the file that a name means.

        Raises:
            ToolError: There is none.
        """
        found = self._picture(name)
        if found is None:
            raise ToolError(f"{field}: {name!r} is none of list_pictures; give one of these names.")
        return found

    def _picture(self, name: str) -> Path | None:
        """Return the file that a name means, links followed; None where that is none below the folder."""
        try:
            place = (self._folder / user_path(name)).resolve()
            is_file = place.is_file()
        except (OSError, ValueError, RuntimeError):
            return None  # no name of a file; links in a ring
        if is_file and place.is_relative_to(self._folder):
            return place
        return self._spelled_so(name) if "\\x" in name else None

    def _spelled_so(self, name: str) -> Path | None:
        """Return the file whose name has bytes that are no text, and was told as far as it can be spelled."""
        alike = (path for path in self._folder.rglob("*") if self._name(path) == name)
        return next(
            (path for path in alike if path.is_file() and path.resolve().is_relative_to(self._folder)), None
        )

    def _name(self, path: Path) -> str:
        """Return what assistants call a file of the folder."""
        return spelled(path.relative_to(self._folder).as_posix())


def _copied(source: Path, copy: Path) -> Path:
    """Copy a picture to a plain name: a request cannot spell every name of a file.

    Raises:
        ToolError: It cannot be read.
    """
    try:
        shutil.copyfile(source, copy)
    except OSError as error:
        raise ToolError(f"{source.name!r} cannot be read ({reason_of(error)}).") from None
    return copy


def _small(content: bytes) -> bytes:
    held = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        picture.thumbnail((SEEN, SEEN))
        picture.save(held, "PNG")
    return held.getvalue()
