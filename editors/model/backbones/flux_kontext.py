"""FLUX.1 Kontext: a transformer that reads noise and picture as one sequence of tokens, beside words.

References: Black Forest Labs, "FLUX.1 Kontext: Flow Matching for In-Context Image Generation and Editing in
Latent Space" (2025, arXiv 2506.15742), as diffusers' FluxKontextPipeline carries it out; for guidance by
picture and text, Brooks et al., "InstructPix2Pix" (2023, arXiv 2211.09800), Eq. 3.

Laws: at its defaults an edit is that of the pipeline, to rounding. Where there is no picture its tokens are
left out; where there are no words both prompts are empty. The guidance that it was taught to be told is the
same in all three predictions.
"""

from dataclasses import dataclass

from editors.model.backbones.flux import Flux
from editors.requests.settings import Kind


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FluxKontext(Flux):
    """A FLUX.1 Kontext model: FLUX.1, told a picture."""

    @property
    def kind(self) -> Kind:
        """It edits."""
        return "edit"
