"""The command line and the page. Thin: what may be asked is decided by the request dataclasses.

Imports everything, is imported by nobody. `ui.cli` starts without torch and gradio; `ui.app` holds the page.
"""
