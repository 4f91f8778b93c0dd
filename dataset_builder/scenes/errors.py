"""The errors the scene world shows to people: each message is one sentence with its remedy."""

from __future__ import annotations

from dataset_builder.errors import DatasetError
from editors.errors import OfField


class SceneError(DatasetError):
    """Anything a caller of the scene world may want to show to a person."""


class InvalidScene(OfField, SceneError, ValueError):
    """A scene, object or edit whose fields contradict the world it belongs to."""


class MissingArtwork(SceneError, FileNotFoundError):
    """An artwork set that a scene needs is not on this machine."""


class ArtworkFetchFailed(SceneError):
    """A package with artwork could not be downloaded, or is not the one that was pinned."""
