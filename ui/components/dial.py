"""A number of the form: gradio's slider, with the judging left to the request.

gradio's own refuses what lies beyond its ends with a notice that names no field, and fails on what is no
number. gradio writes a stub beside this module, as beside `photo`.
"""

from typing import Any

import gradio as gr


class Dial(gr.Slider):
    """A slider that hands over what a browser sent; whoever asked for it says what is wrong with it."""

    is_template = True  # shown by gradio's own front end; without it the page waits for one of ours

    def preprocess(self, payload: Any) -> Any:
        """Return it as it came."""
        return payload
