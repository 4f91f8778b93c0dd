"""The looks of the page, and what it says to those who hear it instead."""

import gradio as gr

from ui.components.elements import asset

STYLE = asset("page.css")
SPOKEN = asset("spoken.js")
"""Run when the page is there: status lines are read out when they change, pictures have a name, and a link to
download is one target, not a button within a link."""


AT_TOP = asset("at_top.js")
"""Run when the page is there: it is seen from its top, and whoever has keys can type at once."""


def theme() -> gr.themes.Base:
    """Return the page's looks: fonts of the machine, and in the dark errors that can be read."""
    soft = gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    # An error stands on the title of its field, in the colour of the icon: Soft's red is lost on its blue.
    # What Soft writes in its lighter shades is under the 4.5 to 1 that WCAG 2.2 asks for.
    return soft.set(
        block_title_text_color="*primary_800",
        block_title_background_fill_dark="transparent",
        block_title_text_color_dark="*neutral_100",
        block_label_text_color="*primary_800",
        block_label_text_color_dark="*neutral_100",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_300",
        error_icon_color="#b91c1c",
        error_icon_color_dark="#fca5a5",
    )
