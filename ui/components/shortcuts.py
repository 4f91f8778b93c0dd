"""Keys for what is done again and again, and the list of them that "?" shows.

Law: a key does what a button does that can be seen and pressed, and nothing else; while somebody types, keys
are letters; single keys can be turned off (WCAG 2.2, 2.1.4).
"""

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from ui.components.elements import MAKE, asset


class Shortcut(NamedTuple):
    """A key.

    Attributes:
        key: As it is written in the list.
        does: What it does, in a few words.
        selector: Of what it presses, or writes into, in CSS; the first that can be seen is meant. Empty where
            something else minds the key, which is only told.
        pressed: The key as a browser calls it, in lower case.
    """

    key: str
    does: str
    selector: str
    pressed: str


EDITING: Final = (
    Shortcut("/", "Say what should change", ":is(#instruction, .asks) :is(textarea, input)", "/"),
    Shortcut("Enter", "Edit or draw, while you write", "", ""),
    Shortcut("Esc", "Stop", ".does-stop", "escape"),
    Shortcut("U", "Use the result as input", ".does-use-as-input", "u"),
    Shortcut("R", "Reuse its settings", ".does-reuse-settings", "r"),
    Shortcut("−", "Weaker", ".does-weaker", "-"),
    Shortcut("+", "Stronger", ".does-stronger", "+"),
    Shortcut("V", "Four variations", ".does-vary", "v"),
    Shortcut("Z", "Undo", ".does-undo", "z"),
    Shortcut("Y", "Redo", ".does-redo", "y"),
    Shortcut("←", "Earlier result", ".does-earlier", "arrowleft"),
    Shortcut("→", "Later result", ".does-later", "arrowright"),
    Shortcut("F", "Favourite, or none any more", ".does-favourite", "f"),
    Shortcut("S", "Side by side, or one over the other", ".does-side", "s"),
    Shortcut("D", "Download the result", ".does-download", "d"),
    Shortcut("?", "This list", "", ""),
)
"""Keys of the page."""
BROWSING: Final = (
    Shortcut("K", "Keep", "#keep", "k"),
    Shortcut("R", "Reject", "#reject", "r"),
    Shortcut("U", "Take back", "#take-back", "u"),
    Shortcut("←", "Previous", "#previous", "arrowleft"),
    Shortcut("→", "Next", "#next", "arrowright"),
    Shortcut("?", "This list", "", ""),
)
"""Keys of the page that looks through pairs."""


def minding(keys: Sequence[Shortcut]) -> str:
    """Return JavaScript, a function without arguments, that makes a page mind keys."""
    return f"() => {{ {MAKE} {asset('shortcuts.js')} shortcuts({json.dumps(keys)}); }}"
