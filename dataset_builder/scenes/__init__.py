"""The pocket world: captioned scenes, drawn exactly as their words say, and exact edits of them.

A `Scene` is a value; `caption` says it, `render_scene` draws it, `sample_scene` draws one from a `World`.

Law: words and pictures cannot disagree: both are pure functions of one scene.
"""

from __future__ import annotations

from .artwork import artwork_folder, cache_folder, fetch_artwork, has_artwork
from .artwork_sets import ARTWORK_SETS, ArtworkSet
from .compose import RenderedScene, render_scene
from .edits import EDIT_KINDS, SceneEdit, all_edits, make_edit, sample_edit
from .errors import ArtworkFetchFailed, InvalidScene, MissingArtwork, SceneError
from .grammar import sample_scene
from .heldout import split_of
from .pairs import RenderedEdit, render_edit
from .scene import Scene, SceneObject, World
from .sheet import contact_sheet
from .vocabulary import NOUNS
from .words import caption
from .worlds import WORLDS

__all__ = [
    "ARTWORK_SETS",
    "EDIT_KINDS",
    "NOUNS",
    "WORLDS",
    "ArtworkFetchFailed",
    "ArtworkSet",
    "InvalidScene",
    "MissingArtwork",
    "RenderedEdit",
    "RenderedScene",
    "Scene",
    "SceneEdit",
    "SceneError",
    "SceneObject",
    "World",
    "all_edits",
    "artwork_folder",
    "cache_folder",
    "caption",
    "contact_sheet",
    "fetch_artwork",
    "has_artwork",
    "make_edit",
    "render_edit",
    "render_scene",
    "sample_edit",
    "sample_scene",
    "split_of",
]
