"""`wordbrush ui`: load a model, serve the page."""

import re
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from editors.files import read_text, user_path
from editors.model.loading.checkpoints import POCKET, read_advice
from editors.model.loading.kinds import find_model, is_edit_model, takes_of
from editors.requests.lora import Lora
from editors.requests.results import InstructionEditor
from editors.requests.settings import recommended_settings
from editors.uncollected import uncollected
from ui.commands.editing import Dtype, Loras, Memory, Model, check_choices
from ui.commands.rewrite import Address, KeyVariable, LanguageModel, rewriter_of
from ui.errors import InvalidOption, UnusablePlace
from ui.server.addresses import LOCAL, AllowHost, host_names, require_free, until_told_to_end
from ui.server.late import LateEditor
from ui.server.lora_names import with_loras
from ui.server.models import Opener
from ui.server.opener import OneAtATime
from ui.server.proxies import without_proxies

if TYPE_CHECKING:
    import gradio as gr
    from starlette.routing import Route

    from editors.prompt_to_prompt.editor import PromptToPromptEditor

HEAD_START = 5.0
"""Seconds that the model waits for somebody to open the page, which loading it would slow down."""

Models = Annotated[
    Path | None,
    typer.Option(help="Folder of models that visitors may change to; nothing above it is read."),
]
PromptModel = Annotated[
    str, typer.Option(help="Model of the Prompts tab, which draws from words; as --model.")
]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of datasets, to look through in the Data tab; nothing above it is read."),
]
Runs = Annotated[
    Path | None,
    typer.Option(help="Folder of training runs, to watch in the Train tab; nothing above it is read."),
]
Mcp = Annotated[
    Path | None,
    typer.Option(
        help="Folder of pictures that assistants may edit, by the Model Context Protocol at /mcp; nothing "
        "above it is read, and nothing in it is overwritten."
    ),
]
Auth = Annotated[
    str | None, typer.Option(help="NAME:PASSWORD that visitors must give.", envvar="WORDBRUSH_AUTH")
]
AuthFile = Annotated[
    Path | None, typer.Option(help="File of accounts, a line NAME:PASSWORD each; no process list shows it.")
]
RootPath = Annotated[
    str, typer.Option(help="Path under which a web server in front shows the page, such as /wordbrush.")
]


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7860,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = LOCAL[0],
    model: Model = "pocket",
    lora: Loras = None,
    dtype: Dtype = None,
    memory: Memory = "auto",
    rewriter: Address = None,
    rewriter_model: LanguageModel = "",
    key_variable: KeyVariable = "",
    models: Models = None,
    prompt_model: PromptModel = "pocket",
    data: Data = None,
    runs: Runs = None,
    mcp: Mcp = None,
    auth: Auth = None,
    auth_file: AuthFile = None,
    allow_host: AllowHost = None,
    root_path: RootPath = "",
) -> None:
    """Open the page: upload a picture, say what to change, press Enter."""
    visitors, root_path, names = credentials(auth, auth_file), _root_path(root_path), host_names(allow_host)
    if host not in LOCAL:
        _require_accounts(host, visitors)
    models, data, runs = folder_of("--models", models), folder_of("--data", data), folder_of("--runs", runs)
    alone = host in LOCAL and visitors is None and not root_path and not names  # nobody else comes in
    pictures = _pictures_of_assistants(mcp, alone=alone)
    require_free(host, port)
    check_choices(dtype=dtype)
    opener, loras = OneAtATime(dtype, memory), [Lora.of(one) for one in lora or []]
    rewrites = rewriter_of(rewriter, rewriter_model, key_variable)
    editor = _first(model, loras, opener)
    with uncollected():
        with without_proxies():
            from ui.app import build_app, serve  # gradio: not for --help

        page = build_app(
            editor,
            model=with_loras(model, loras),
            opener=opener,
            models=models,
            hub=alone,
            prompt_editor=partial(_drawing, opener),
            prompt_model=prompt_model,
            data=data,
            runs=runs,
            rewriter=None if rewrites is None else rewrites.rewritten,
        )
    is_open = Event()
    with page:
        page.load(is_open.set, queue=False, api_visibility="private")
    routes = [] if pictures is None else [_for_assistants(pictures, page)]
    try:
        address = serve(
            page, host=host, port=port, auth=visitors, root_path=root_path, allow_hosts=names, routes=routes
        )
        _say_where(address, routes)
        until_told_to_end(partial(_load, model, editor, is_open, opener))
    finally:
        page.close(verbose=False)


def _say_where(address: str, routes: Sequence["Route"]) -> None:
    """Say where the page is, and what else answers there."""
    typer.echo(f"Wordbrush is at {address} (Ctrl-C ends it)", err=True)
    for route in routes:
        typer.echo(f"Assistants find it at {address.rstrip('/')}{route.path}", err=True)


def _require_accounts(host: str, visitors: list[tuple[str, str]] | None) -> None:
    """Require accounts for a page that others can reach.

    Raises:
        UnusablePlace: There are none.
    """
    if visitors is None:
        raise UnusablePlace(
            f"--host: {host} lets others in; say who may with --auth NAME:PASSWORD, --auth-file or "
            f"WORDBRUSH_AUTH, or keep to {LOCAL[0]}."
        )


def _pictures_of_assistants(given: Path | None, *, alone: bool) -> Path | None:
    """Return the folder that assistants may edit, or None where they are not let in.

    Args:
        given: The option.
        alone: Whether nobody but this machine reaches the page.

    Raises:
        UnusablePlace: It is no folder.
        InvalidOption: The package is missing, or others reach the page.
    """
    folder = folder_of("--mcp", given)
    if folder is None:
        return None
    if find_spec("mcp") is None:
        raise InvalidOption("--mcp: the package mcp is not installed; pip install 'wordbrush[mcp]'.")
    if not alone:
        raise InvalidOption(
            "--mcp: is for a page that only this machine reaches; leave out --host, --auth, --root-path and "
            "--allow-host."
        )
    return folder


def _say_loading(model: str, opener: Opener) -> None:
    """Say that a model is being loaded, and what it needs, where that is worth saying."""
    typer.echo(" ".join(filter(None, (f"Loading {model} ...", opener.needs(model)))), err=True)


def _drawing(opener: OneAtATime, model: str) -> "PromptToPromptEditor":
    """Load what draws with a model, and say before what it needs, where that is worth saying."""
    if told := opener.needs(model):
        typer.echo(f"Loading {model} ... {told}", err=True)
    return opener.drawing(model)


def _load(model: str, editor: InstructionEditor, is_open: Event, opener: Opener) -> None:
    """Load the model of an editor that is there before it, once somebody sees the page."""
    if isinstance(editor, LateEditor):
        is_open.wait(HEAD_START)
        _say_loading(model, opener)
        editor.load()
        typer.echo(f"{model} is ready.", err=True)


def _for_assistants(folder: Path, page: "gr.Blocks") -> "Route":
    """Return where assistants are answered, who may edit the pictures of a folder."""
    from starlette.routing import Route

    from ui.mcp import PATH, Endpoint, McpTools

    return Route(PATH, Endpoint(McpTools(folder, lambda: str(page.local_url)).server()))


def _first(model: str, loras: Sequence[Lora], opener: Opener) -> InstructionEditor:
    """Return the editor of a model: before the model is loaded, where its files say what the page shows.

    Raises:
        IncompatibleModel: There is no such model, or its files say what cannot be.
    """
    place = POCKET if model == "pocket" else find_model(model)
    if not is_edit_model(place):
        _say_loading(model, opener)
        return opener.model(model, loras)
    recommends, instructions, phrases = read_advice(place)
    max_references, has_scales = takes_of(place)
    return LateEditor(
        open=partial(opener.model, model, loras),
        recommended=recommended_settings("edit", recommends),
        instructions=instructions,
        phrases=phrases,
        max_references=max_references,
        has_scales=has_scales,
    )


def folder_of(option: str, given: Path | None) -> Path | None:
    """Return the folder that an option names, or None where it is not given.

    Raises:
        UnusablePlace: It is no folder.
    """
    if given is None:
        return None
    folder = user_path(given)
    if not folder.is_dir():
        raise UnusablePlace(f"{option}: {str(given)!r} is no folder; check the path.")
    return folder


def _root_path(given: str) -> str:
    """Return a path as web servers mean it: it begins with a slash and ends without one.

    Raises:
        InvalidOption: It is no path.
    """
    path = given.rstrip("/")
    if path and not re.fullmatch(r"(/[\w.~-]+)+", path):
        raise InvalidOption(f"--root-path: {given!r} is no path of a web server; write it like /wordbrush.")
    return path


def credentials(auth: str | None, file: Path | None = None) -> list[tuple[str, str]] | None:
    """Split NAME:PASSWORD, given or in the lines of a file.

    Raises:
        InvalidOption: One of the two is missing, a name stands twice, or the file cannot be read.
    """
    lines = [] if auth is None else [auth]
    option = "--auth"
    if file is not None:
        if auth is not None:
            raise InvalidOption("--auth-file: --auth or WORDBRUSH_AUTH is given too; give one of them.")
        option = "--auth-file"
        try:
            lines = [line.strip() for line in read_text(user_path(file)).splitlines() if line.strip()] or [""]
        except (OSError, UnicodeError):
            raise InvalidOption(f"--auth-file: {str(file)!r} cannot be read; check the path.") from None
    accounts = [(name, password) for name, _, password in (line.partition(":") for line in lines)]
    if not all(name and password for name, password in accounts):
        raise InvalidOption(f"{option}: is not of the form NAME:PASSWORD; give both, with a colon between.")
    if len({name for name, _ in accounts}) < len(accounts):
        raise InvalidOption(f"{option}: a name stands there twice; give each account its own.")
    return accounts or None
