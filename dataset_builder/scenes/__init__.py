"""The pocket world: captioned scenes, drawn exactly as their words say, and exact edits of them.

A `Scene` is a value; `caption` says it, `render_scene` draws it, `sample_scene` draws one from a `World`.

Law: words and pictures cannot disagree: both are pure functions of one scene.
"""

from __future__ import annotations

from .artwork import ARTWORK_SETS, ArtworkSet, artwork_folder, cache_folder, fetch_artwork, has_artwork
from .compose import RenderedScene, render_scene
from .errors import ArtworkFetchFailed, InvalidScene, MissingArtwork, SceneError
from .grammar import sample_scene
from .heldout import split_of
from .scene import Scene, SceneObject, World
from .vocabulary import NOUNS
from .words import caption
from .worlds import WORLDS

__all__ = [
    "ARTWORK_SETS",
    "NOUNS",
    "WORLDS",
    "ArtworkFetchFailed",
    "ArtworkSet",
    "InvalidScene",
    "MissingArtwork",
    "RenderedScene",
    "Scene",
    "SceneError",
    "SceneObject",
    "World",
    "artwork_folder",
    "cache_folder",
    "caption",
    "fetch_artwork",
    "has_artwork",
    "render_scene",
    "sample_scene",
    "split_of",
]
