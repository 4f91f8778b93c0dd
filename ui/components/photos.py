"""The upload of several pictures: gradio's component for files, with the reading left to us; see `photo`."""

from typing import Any

import gradio as gr


class Photos(gr.File):
    """Uploads that come as the files' paths."""

    is_template = True  # shown by gradio's own front end; without it the page waits for one of ours

    def preprocess(self, payload: Any) -> list[str]:
        """Return the paths of the uploaded files.

        Raises:
            gr.Error: One is no file of the upload folder.
        """
        from ui.server.uploads import uploaded

        files = [] if payload is None else getattr(payload, "root", [payload])
        return [uploaded(file.path, self.GRADIO_CACHE) for file in files]
