"""The upload of the page: gradio's picture component, with the reading left to `editors.pictures.images`.

gradio writes a stub for every component class beside its module (`photo.pyi`): the class has a module of its
own so that the stub hides nothing else, and git ignores it.
"""

from typing import Any

import gradio as gr


class Photo(gr.Image):
    """An upload that comes as the file's path; gradio's own fails without a word on what it cannot decode."""

    is_template = True  # shown by gradio's own front end; without it the page waits for one of ours

    def preprocess(self, payload: Any) -> str | None:
        """Return the path of the uploaded file.

        Raises:
            gr.Error: It is no file of the upload folder.
        """
        from ui.server.uploads import uploaded

        return None if payload is None else uploaded(payload.path, self.GRADIO_CACHE)

    def postprocess(self, value: Any) -> Any:
        """Put a result that becomes the input among the uploads, from where it comes back."""
        from gradio.processing_utils import save_file_to_cache

        return super().postprocess(value and save_file_to_cache(value, self.GRADIO_CACHE))
