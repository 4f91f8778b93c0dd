"""Edit-friendly inversion: DDPM's steps, whose noise is what leads from each noised picture to the next.

Reference: Inbar Huberman-Spiegelglas, Vladimir Kulikov, Tomer Michaeli, "An Edit Friendly DDPM Noise Space"
(2023, arXiv 2304.06140), Eq. 6.
"""

from typing import Final

from editors.prompt_to_prompt.inversion.noised import Noised

METHOD: Final = Noised("edit_friendly", is_stochastic=True)
