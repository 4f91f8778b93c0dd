"""Settings that gradio reads while it is imported: import this first.

Law: no page tells anybody that it runs, and none shares a folder with the pages of others. gradio's own
folder belongs to whoever used gradio first on a machine: others could not write there, or it could read what
they do, and the first page that ends would take the files of the rest along.
"""

import os
import tempfile

_named = os.environ.get("GRADIO_TEMP_DIR", "")
UPLOADS = tempfile.TemporaryDirectory(
    prefix="wordbrush-uploads-", dir=_named if os.access(_named, os.W_OK | os.X_OK) else None
)
"""Where pictures wait for an edit, for this process and its account alone; below the folder that the user
named for gradio, if any."""
os.environ["GRADIO_TEMP_DIR"] = UPLOADS.name
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
