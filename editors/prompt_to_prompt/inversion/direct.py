"""Direct inversion: the original is held on the path that was found, and the edit goes free.

Reference: Xuan Ju, Ailing Zeng, Yuxuan Bian, Shaoteng Liu, Qiang Xu, "Direct Inversion" (2023, arXiv
2310.01506).
"""

from typing import Final

from editors.prompt_to_prompt.inversion.ddim import Retraced

METHOD: Final = Retraced("direct", is_held=True)
