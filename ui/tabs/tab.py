"""What a tab of the page is, and what the page gives to each.

The Edit tab is always there and comes first; what else is asked for is a list of values that satisfy `Tab`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import gradio as gr

from ui.components.history_panel import Panel
from ui.components.switch import Switch
from ui.server.edit_thread import EditThread


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Frame:
    """What tabs share.

    Attributes:
        page: The page that is being laid out.
        tabs: All tabs: an event may change which is open.
        edit_thread: Where edits are computed.
        results: Folder below which sessions keep their results.
        panel: Of the Edit tab: fills its form from elsewhere.
        switch: Of the Edit tab: changes its model from elsewhere.
    """

    page: gr.Blocks
    tabs: gr.Tabs
    edit_thread: EditThread
    results: Path
    panel: Panel
    switch: Switch


class Tab(Protocol):
    """A tab beside the Edit tab."""

    @property
    def name(self) -> str:
        """Its name, as a person reads it."""
        ...

    def lay_out(self, frame: Frame, tab: gr.Tab) -> None:
        """Lay it out inside the page, and wire it.

        Args:
            frame: What tabs share.
            tab: The tab itself, which is open for laying out; it says when it is selected.
        """
