"""Other people's words in a line of Markdown."""

import re


def literal(text: str) -> str:
    """Return a text that Markdown and HTML show as it stands, whatever marks are in it."""
    return re.sub(r"[^\w\s]", lambda mark: f"&#{ord(mark[0])};", text)
