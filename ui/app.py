"""The page: one screen per tab, local by default, one edit at a time per device.

Law: nothing leaves the machine (no share link, no analytics, no outside font), and nothing goes round the
queue (`api_open=False`): whoever calls waits in line and is checked like a person at the page.
"""

import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import finalize

import gradio as gr
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from editors.requests.results import InstructionEditor
from ui import api
from ui.components.literal import literal
from ui.components.looks import AT_TOP, SPOKEN, STYLE, theme
from ui.components.pointing import Pointing
from ui.components.rewriting import Rewrite
from ui.components.shortcuts import EDITING, minding
from ui.components.switch import model_choice
from ui.errors import UnusablePlace
from ui.images_api.results import Results
from ui.images_api.routes import ImagesApi
from ui.server.access import AccessCheck, Hosts
from ui.server.before_gradio import UPLOADS
from ui.server.calls import Calls, Offer
from ui.server.edit_thread import EditThread
from ui.server.guard import Guard, is_password
from ui.server.late_cancel import LateCancel
from ui.server.loaded_by_name import LoadedByName
from ui.server.models import Models, Opener
from ui.server.proxies import without_proxies
from ui.server.sessions import MAX_SESSIONS, wire_sessions
from ui.server.turns import Turns
from ui.tabs.data import Data
from ui.tabs.edit import edit_tab
from ui.tabs.extending import Extenders
from ui.tabs.many import Many
from ui.tabs.prompts import Prompts
from ui.tabs.tab import Frame, Tab
from ui.tabs.train import Train

if TYPE_CHECKING:
    from editors.prompt_to_prompt.editor import PromptToPromptEditor

MAX_WAITING = 20
"""Edits that may wait in line; more are turned away with a message."""
LOOK_SECONDS = 0.01
"""How often gradio looks whether somebody asked for something. Its own millisecond keeps a processor a tenth
busy while nobody is there."""
MAX_UPLOAD = "350mb"
"""A PNG of 110 megapixels, the largest picture the decoder takes, still fits."""
HOUR = 3600
DAY = 24 * HOUR


class Page(gr.Blocks):
    """The page, and what it offers to programs."""

    offer: Offer
    results: Path
    images: ImagesApi


def build_app(
    editor: InstructionEditor,
    *,
    model: str,
    opener: Opener | None = None,
    models: Path | None = None,
    hub: bool = False,
    prompt_editor: Callable[[str], "PromptToPromptEditor"] | None = None,
    prompt_model: str = "pocket",
    data: Path | None = None,
    runs: Path | None = None,
    rewriter: Rewrite | None = None,
) -> gr.Blocks:
    """Build the page around an editor; `serve` puts it on the network.

    Args:
        editor: Whatever carries out the edits.
        model: Its name, shown to the user.
        opener: Loads other models; None leaves the choice of a model out.
        models: Folder below which more models lie.
        hub: Whether a visitor may name a model of the Hub, which is then fetched: not where others come in.
        prompt_editor: Returns what draws from prompts, by the name of its model; None leaves that tab out.
        prompt_model: The name of that model.
        data: Folder below which datasets may be looked through; None leaves that tab out.
        runs: Folder below which training runs may be watched; None leaves that tab out.
        rewriter: Turns a wish into an instruction, of those that a model was taught; None leaves that out.
    """
    results = tempfile.TemporaryDirectory(prefix="wordbrush-")
    # Shown from where they are: else gradio copies each into a folder of its own, and keeps it for a day.
    gr.set_static_paths([results.name])
    with Page(title="Wordbrush", analytics_enabled=False, delete_cache=(HOUR, DAY)) as page:
        page.results = Path(results.name)
        edit_thread = EditThread()
        known = Models(model, editor, opener, folder=models, runs=runs, hub=hub)
        drawing = None if prompt_editor is None else LoadedByName(prompt_editor)
        choice, words = _heading(known, model)
        with gr.Tabs() as tabs:
            with gr.Tab("Edit", id="edit"):
                shared = (page, known, choice, words, edit_thread, page.results)
                helpers = _helpers(drawing, prompt_model, edit_thread)
                panel, switch = edit_tab(*shared, rewriter, *helpers)
            frame = Frame(
                page=page,
                tabs=tabs,
                edit_thread=edit_thread,
                results=page.results,
                panel=panel,
                switch=switch,
            )
            for other in (Many(editors=known), *_others(drawing, prompt_model, data, runs)):
                with _tab(other.name) as tab:
                    other.lay_out(frame, tab)
        page.offer = api.offer_edit(known, edit_thread)
        page.images = _images_api(page, known, edit_thread, drawing, prompt_model)
        for script in (SPOKEN, AT_TOP, minding(EDITING)):
            page.load(None, js=script)
        wire_sessions(page)
    finalize(page, results.cleanup)
    _queue_up(page)
    return page


def _queue_up(page: Page) -> None:
    """Let all events of the page wait in line, at no more cost than that."""
    page.queue(max_size=MAX_WAITING, default_concurrency_limit=1, api_open=False)
    page._queue.sleep_when_free = LOOK_SECONDS
    page._queue.progress_update_sleep_when_free = 10 * LOOK_SECONDS  # nothing here reports progress so
    # After every event gradio would summarise the last 10,000 in a table that nobody asks for: 20 to 50 ms.
    page._queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize  # as gradio spells it


def _helpers(
    drawing: "LoadedByName[PromptToPromptEditor] | None", model: str, edit_thread: EditThread
) -> tuple[Pointing | None, Extenders | None]:
    """Return what finds things, which a model that draws tells apart better, and what extends pictures."""
    if drawing is None:
        return None, None
    pointing = Pointing.by(lambda photo: drawing(model).things(photo), edit_thread)
    return pointing, Extenders(drawing, model)


def _images_api(
    page: Page,
    models: Models,
    edit_thread: EditThread,
    drawing: "LoadedByName[PromptToPromptEditor] | None",
    prompt_model: str,
) -> ImagesApi:
    """Offer programs of OpenAI's kind what the page has, inside of it."""
    return ImagesApi(
        turns=Turns(page),
        edit_thread=edit_thread,
        models=models,
        drawing=drawing,
        drawing_model=prompt_model,
        results=Results(page.results / "images"),
    )


def _others(
    drawing: "LoadedByName[PromptToPromptEditor] | None",
    prompt_model: str,
    data: Path | None,
    runs: Path | None,
) -> Iterator[Tab]:
    """Yield the tabs beside the first that are asked for."""
    if drawing is not None:
        yield Prompts(editors=drawing, model=prompt_model)
    if data is not None:
        yield Data(root=data)
    if runs is not None:
        yield Train(root=runs)


def _heading(known: Models, model: str) -> tuple[Any, Any]:
    """Lay out the top of the page: its name, and the choice of a model with where that is answered."""
    with gr.Row(equal_height=True):
        alone = "" if known.can_change else f" Model: **{literal(model)}**."
        with gr.Column(min_width=300):
            gr.Markdown(
                f"# Wordbrush\nEdit a picture by saying what to change, on this machine.{alone}",
                latex_delimiters=[],
            )
        with gr.Column(min_width=300):
            return model_choice(known)


@contextmanager
def _tab(name: str) -> Iterator[gr.Tab]:
    """Lay out a tab beside the first; what it holds is spoken from the time that it is opened."""
    with gr.Tab(name, id=name.lower()) as tab:
        yield tab
    tab.select(None, js=SPOKEN)


def serve(
    page: gr.Blocks,
    *,
    host: str,
    port: int | None,
    auth: Sequence[tuple[str, str]] | None = None,
    root_path: str = "",
    allow_hosts: Collection[str] = (),
    routes: Sequence[Route] = (),
) -> str:
    """Start serving the page in the background and return its address; `page.close()` ends it.

    Args:
        page: From `build_app`.
        host: Address to listen on.
        port: Port to listen on; None takes the first free one from 7860 on.
        auth: Names and passwords, of which visitors must give one; None lets everyone in who can reach the
            address.
        root_path: Path under which a web server in front shows the page, such as /wordbrush.
        allow_hosts: Names that the page answers to besides `host` and this machine's own.
        routes: What else is served there; a page's password does not guard it, the check of hosts does.

    Raises:
        UnusablePlace: The address or port cannot be listened on.
    """
    try:
        with without_proxies():
            _, url, _ = page.launch(
                server_name=f"[{host}]" if ":" in host else host,  # as it stands in an address
                server_port=port,
                share=False,
                prevent_thread_lock=True,
                quiet=True,
                run_history=False,
                footer_links=[],
                ssr_mode=False,
                # Else it asks itself for the page, and gives up where a busy machine takes three seconds.
                _frontend=False,
                max_file_size=MAX_UPLOAD,
                state_session_capacity=MAX_SESSIONS,
                auth=list(auth) if auth else None,
                root_path=root_path or None,
                app_kwargs={
                    # Before the page's own, which take any path.
                    "routes": [Route("/health", _health), *_images(page), *routes],
                    "middleware": _middleware(page, Hosts.of(host, allow_hosts), auth or ()),
                },
                theme=theme(),
                css=STYLE,
            )
    except OSError as error:
        raise UnusablePlace(
            f"--port: {host}:{port} cannot be listened on; stop what runs there, or choose another port."
        ) from error
    return str(url)


def _images(page: gr.Blocks) -> list[Route]:
    """Return where programs of OpenAI's kind are answered."""
    return page.images.routes() if isinstance(page, Page) else []


def _middleware(page: gr.Blocks, hosts: Hosts, accounts: Sequence[tuple[str, str]]) -> list[Middleware]:
    """List what requests pass through, in order; results are guarded where there are accounts."""
    guards, calls = [], []
    if accounts:
        folders = (Path(UPLOADS.name), *([page.results] if isinstance(page, Page) else []))
        who, knows = partial(_who, page), partial(is_password, accounts)
        guards.append(Middleware(Guard, who=who, knows=knows, folders=folders))
    if isinstance(page, Page):
        calls.append(Middleware(Calls, offer=page.offer))
    return [Middleware(AccessCheck, hosts=hosts), *guards, Middleware(LateCancel), *calls]


def _who(page: gr.Blocks, cookies: Mapping[str, str]) -> str | None:
    """Return the account that cookies stand for, as gradio looks it up."""
    names = (f"access-token-{page.app.cookie_id}", f"access-token-unsecure-{page.app.cookie_id}")
    token = next((cookies[name] for name in names if name in cookies), None)
    account: str | None = page.app.tokens.get(token)
    return account


def _health(request: Request) -> JSONResponse:
    """Say that the server answers; it tells nothing else, so it needs no password."""
    return JSONResponse({"status": "ok"})
