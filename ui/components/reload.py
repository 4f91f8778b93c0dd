"""A reload goes on where the tab was: its results, its picture, its words and settings.

The browser keeps three things for as long as its tab is open (`sessionStorage`): what stands in the form; a
token, a secret of that tab, which names the session; and whether an edit was under way as the page was left.
Such an edit ends with the page: it came in time, or one is told that it was dropped. What comes back is a
copy, with files of its own: two tabs never share one. gradio keeps a session's states for an hour after its
connection is gone, `ui.server.sessions` those of the newest.

Law: a token works once, and for the account that it was given to.
"""

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from ui.components.elements import asset
from ui.components.form import LABELS, check
from ui.components.history import History
from ui.components.history_panel import Panel, Update
from ui.components.screen import QUIET
from ui.components.switch import Switch
from ui.components.trail import Trail
from ui.server.uploads import uploaded

KEPT = tuple(name for name in LABELS if name != "mask")
"""Fields that the browser keeps; strokes are a file of the session that is over."""
MAX_TOKENS = 1000
BACK = "Here is where you were."
CAME = "The edit that was under way is finished."
DROPPED = "The edit that was under way was dropped as the page was left: press Edit to ask for it again."
READ = asset("reload_read.js")
WRITE_TOKEN = asset("reload_token.js")
"""Then what is under way can be read off the page: the button that stops it, and the newest result so far."""
WRITE_FORM = asset("reload_form.js")


class Tokens:
    """Which session each token names; the oldest are forgotten."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, tuple[str, str | None]] = OrderedDict()

    def give(self, session: str, account: str | None) -> str:
        """Return a new token for a session of an account."""
        token = secrets.token_urlsafe(24)
        self._sessions[token] = (session, account)
        while len(self._sessions) > MAX_TOKENS:
            self._sessions.popitem(last=False)
        return token

    def take(self, token: object, account: str | None) -> str | None:
        """Return the session that a token names, once; None where it names none of this account."""
        if not isinstance(token, str):
            return None
        session, owner = self._sessions.get(token, (None, None))
        if session is None or owner != account:
            return None
        del self._sessions[token]
        return session


def wire_reload(page: gr.Blocks, panel: Panel, switch: Switch, root: Path) -> None:
    """Connect the page's load and the form's changes.

    Args:
        page: The page.
        panel: What is filled again.
        switch: What the model is changed by.
        root: Folder below which sessions keep their results.
    """
    screen, tokens = panel.screen, Tokens()
    kept = gr.JSON(visible=False)

    def come_back(told: Any, request: gr.Request) -> Update:
        told = told if isinstance(told, Mapping) else {}
        session = tokens.take(told.get("token"), request.username)
        token = tokens.give(str(request.session_hash), request.username)
        history, shown, trail, model = _states(page, session, panel, switch)
        form = _form(told.get("form"), panel.form.original_image.GRADIO_CACHE)
        back: Update = {kept: {"token": token}, **panel.form.filled(form)}
        if photo := form.get("original_image"):
            back |= {**panel.masking.filled(photo), screen.status: BACK}
        if history.entries:
            history = history.copied(root)
            shown = None if shown is None else min(shown, len(history.entries) - 1)
            back |= {screen.history: history, **screen.settled(history, shown)}
        if isinstance(newest := told.get("newest"), int):
            came = any(entry.number > newest for entry in history.entries)
            back[screen.status] = f"{BACK} {CAME if came else DROPPED}"
        if model != switch.models.first and switch.models.is_ready(model):
            back |= switch.restored(model, switch.models(model))
        return {**back, **panel.stepped(trail)}

    outputs = [kept, *dict.fromkeys([*screen.outputs, *panel.outputs, *switch.outputs])]
    load = page.load(come_back, kept, outputs, js=READ, **QUIET)
    load.then(None, kept, None, js=WRITE_TOKEN)
    fields = [getattr(panel.form, name) for name in KEPT]
    gr.on([field.change for field in fields], None, fields, None, js=WRITE_FORM)


def _states(
    page: gr.Blocks, session: str | None, panel: Panel, switch: Switch
) -> tuple[History, int | None, Trail, str]:
    """Return the history, the place shown, the trail and the model of a session; as at first if forgotten."""
    states = page.app.state_holder
    if session is None or session not in states:
        return History(), None, Trail(), switch.models.first
    known = states[session]
    states_of = (panel.screen.history, panel.screen.shown, panel.trail, switch.model)
    history, shown, trail, model = (known.get(one._id, one.value) for one in states_of)
    return history, shown, trail, model


def _form(values: Any, cache: str) -> dict[str, Any]:
    """Return the fields that the browser kept and that may stand in the form as they are."""
    if not isinstance(values, list) or len(values) != len(KEPT):
        return {}
    told = dict(zip(KEPT, values, strict=True))
    told["original_image"] = _photo(told["original_image"], cache)
    shown = told["references"] if isinstance(told["references"], list) else []
    images = (one.get("image") for one in shown if isinstance(one, Mapping))
    told["references"] = [path for one in images if (path := _photo(one, cache)) is not None] or None
    verdicts = check(*(told.get(name) for name in LABELS))
    return {
        name: told[name]
        for name, verdict in zip(LABELS, verdicts, strict=True)
        if name in told and verdict["is_valid"] and told[name] is not None
    }


def _photo(told: Any, cache: str) -> str | None:
    """Return the file of a picture that was uploaded, while it is there."""
    if not isinstance(told, Mapping) or not isinstance(told.get("path"), str):
        return None
    try:
        path = uploaded(told["path"], cache)
    except gr.Error:
        return None
    return path if Path(path).is_file() else None
