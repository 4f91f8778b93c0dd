"""Stylesheets, scripts and templates of our own components: files of `assets`, as their own tools read."""

from importlib import resources


def asset(name: str) -> str:
    """Return the text of a file of `ui/components/assets`."""
    return (resources.files("ui.components") / "assets" / name).read_text("utf-8")


MAKE = asset("make.js")
"""JavaScript: `make(tag, attributes, ...children)` makes an element; its children are text, never HTML."""
