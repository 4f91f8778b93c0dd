"""The number formats that a network may be computed in, by name. Importing this module imports no torch."""

from typing import Final

AUTO: Final = "auto"
"""Whichever is measured to be fastest, within what the eye tolerates."""
DTYPE_NAMES: Final = ("float32", "bfloat16", "float16")
