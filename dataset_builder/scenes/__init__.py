"""The pocket world: captioned scenes, drawn exactly as their words say, and exact edits of them.

A `Scene` is a value; `caption` says it, `render_scene` draws it, `sample_scene` draws one from a `World`.

Laws: words and pictures cannot disagree: both are pure functions of one scene. Importing this package, and
saying what a scene holds, loads no painter; the painters load when they are first named (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dataset_builder.scenes.artwork.sets import ARTWORK_SETS, ArtworkSet
from dataset_builder.scenes.captions import caption
from dataset_builder.scenes.difficulty import changes_nothing, fulfilled, planned_edit, shares
from dataset_builder.scenes.edits import EDIT_KINDS, SceneEdit, all_edits, make_edit, sample_edit
from dataset_builder.scenes.errors import ArtworkFetchFailed, InvalidScene, MissingArtwork, SceneError
from dataset_builder.scenes.sampler import sample_scene
from dataset_builder.scenes.scene import Scene, SceneObject, World
from dataset_builder.scenes.splits import split_of
from dataset_builder.scenes.vocabulary import NOUNS
from dataset_builder.scenes.worlds import EDITS_VERSION, WORLD_VERSION, WORLDS

if TYPE_CHECKING:
    from dataset_builder.scenes.artwork.store import (
        artwork_folder,
        cache_folder,
        fetch_artwork,
        has_artwork,
    )
    from dataset_builder.scenes.paint.pairs import RenderedEdit, render_edit
    from dataset_builder.scenes.paint.scene import RenderedScene, render_scene
    from dataset_builder.scenes.paint.sheet import contact_sheet

__all__ = [
    "ARTWORK_SETS",
    "EDITS_VERSION",
    "EDIT_KINDS",
    "NOUNS",
    "WORLDS",
    "WORLD_VERSION",
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
    "changes_nothing",
    "contact_sheet",
    "fetch_artwork",
    "fulfilled",
    "has_artwork",
    "make_edit",
    "planned_edit",
    "render_edit",
    "render_scene",
    "sample_edit",
    "sample_scene",
    "shares",
    "split_of",
]

_PAINTERS = {
    "artwork_folder": "artwork.store",
    "cache_folder": "artwork.store",
    "fetch_artwork": "artwork.store",
    "has_artwork": "artwork.store",
    "RenderedEdit": "paint.pairs",
    "render_edit": "paint.pairs",
    "RenderedScene": "paint.scene",
    "render_scene": "paint.scene",
    "contact_sheet": "paint.sheet",
}
"""Public name -> the module that brings painters and decoders with it."""


def __getattr__(name: str) -> Any:
    if name not in _PAINTERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PAINTERS[name]}"), name)


def __dir__() -> list[str]:
    return __all__
